#include "guest-probe/collect/oom_event.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

oom_record make_record() {
  oom_record record{};
  record.sequence = 4;
  record.victim_tgid = 99;
  record.anon_pages = 10;
  record.usage_pages = 20;
  record.limit_pages = 30;
  const std::string comm = "hog";
  std::copy(comm.begin(), comm.end(), record.comm);
  record.names = 2;
  const std::string id(64, 'a');
  std::copy(id.begin(), id.end(), record.name[0]);
  const std::string parent = "cri-containerd";
  std::copy(parent.begin(), parent.end(), record.name[1]);
  return record;
}

}  // namespace

TEST_CASE("An OOM record becomes an event of its container") {
  const wire::OomEvent event = make_oom_event(make_record());
  CHECK(event.sequence == 4);
  CHECK(event.cgroup == "/cri-containerd/" + std::string(64, 'a'));
  REQUIRE(event.container);
  CHECK(event.container->hex() == std::string(64, 'a'));
  CHECK(event.victim_pid == 99);
  CHECK(event.victim_comm == "hog");
  CHECK(event.victim_anon_bytes == 10u * static_cast<unsigned>(getpagesize()));
  CHECK(event.memory_limit_bytes == 30u * static_cast<unsigned>(getpagesize()));
}

TEST_CASE("A victim in no container, without a limit, with a name that is no text") {
  oom_record record = make_record();
  record.names = 0;
  record.limit_pages = static_cast<std::uint64_t>(INT64_MAX);
  record.comm[0] = '\n';
  const wire::OomEvent event = make_oom_event(record);
  CHECK(event.cgroup == "/");
  CHECK_FALSE(event.container);
  CHECK(event.memory_limit_bytes == 0);
  CHECK(event.victim_comm == "?og");
}

TEST_CASE("The class of an OOM kill follows from where the limited cgroup is") {
  oom_record record = make_record();
  CHECK(make_oom_event(record).oom_class == wire::OomClass::unknown);
  CHECK(make_oom_event(record).limit_cgroup.empty());

  record.oom_class = OOM_CLASS_GUEST;
  CHECK(make_oom_event(record).oom_class == wire::OomClass::guest);
  CHECK(make_oom_event(record).limit_cgroup.empty());

  record.oom_class = OOM_CLASS_LIMIT;
  record.over_usage_pages = 40;
  record.over_limit_pages = 50;
  const wire::OomEvent own = make_oom_event(record);
  CHECK(own.oom_class == wire::OomClass::container_limit);
  CHECK(own.limit_cgroup == own.cgroup);
  CHECK(own.limit_usage_bytes == 40u * static_cast<unsigned>(getpagesize()));
  CHECK(own.limit_bytes == 50u * static_cast<unsigned>(getpagesize()));

  record.over_level = 1;
  CHECK(make_oom_event(record).oom_class == wire::OomClass::pod_limit);
  CHECK(make_oom_event(record).limit_cgroup == "/cri-containerd");
  record.over_level = UINT32_MAX;
  CHECK(make_oom_event(record).limit_cgroup == "/");

  record.over_level = 0;
  record.name[0][0] = 'x';
  CHECK(make_oom_event(record).oom_class == wire::OomClass::other_limit);
}
