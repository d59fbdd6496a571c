#include "guest-probe/oom_event.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;

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
