#include "host-probe/pods/runtime_stats.h"

#include <cri.pb.h>

#include <catch2/catch.hpp>
#include <thread>

#include "tests/host-probe/pods/fake_runtime.h"
#include "tests/host-probe/pods/ids.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::FakeRuntime;
using namespace std::chrono_literals;

namespace {

struct RuntimeStatsFixture {
  RuntimeStatsFixture() {
    cri::ListContainersResponse containers;
    containers.add_containers()->set_id(app_id.hex());
    containers.mutable_containers(0)->set_pod_sandbox_id(pod_id.hex());
    runtime.answers("/runtime.v1.RuntimeService/ListContainers", containers.SerializeAsString());
    cri::ListContainerStatsResponse stats;
    stats.add_stats()->mutable_attributes()->set_id(app_id.hex());
    stats.mutable_stats(0)->mutable_cpu()->mutable_usage_core_nano_seconds()->set_value(5);
    runtime.answers("/runtime.v1.RuntimeService/ListContainerStats", stats.SerializeAsString());
    timing.deadline = 20s;
  }

  katameter::testing::TemporaryDirectory temporary;
  FakeRuntime runtime{temporary.path() / "cri.sock"};
  RuntimeTiming timing = RuntimeStats::default_timing();
};

}  // namespace

TEST_CASE("statistics of all containers are one call, and their pods another") {
  RuntimeStatsFixture test;
  RuntimeStats stats({{test.temporary.path() / "cri.sock", true}, {test.temporary.path() / "away.sock", false}},
                     test.timing);
  const auto found = stats.look_up({});
  REQUIRE(found);
  REQUIRE(found->at(pod_id).size() == 1);
  CHECK(found->at(pod_id)[0].id == app_id);
  CHECK(found->at(pod_id)[0].cpu_ns == 5u);
  CHECK(test.runtime.times_asked() == 2);
}

TEST_CASE("a runtime that has no statistics, or hangs, costs nobody else theirs and is not asked again at once") {
  RuntimeStatsFixture test;
  FakeRuntime other(test.temporary.path() / "other.sock");
  std::size_t calls = 2;  // of v1 and v1alpha2
  SECTION("it has none") {}
  SECTION("it hangs") {
    other.hangs = true;
    test.timing.deadline = 5s;
    calls = 1;
  }
  RuntimeStats stats({{test.temporary.path() / "other.sock", true}, {test.temporary.path() / "cri.sock", true}},
                     test.timing);
  for (int i = 0; i < 3; ++i) {
    const auto found = stats.look_up({});
    REQUIRE(found);
    CHECK(found->contains(pod_id));
    CHECK(other.times_asked() == calls);
  }
}

TEST_CASE("no runtime's answer is none, and one that is cancelled returns soon") {
  RuntimeStatsFixture test;
  CHECK_FALSE(RuntimeStats({}, test.timing).look_up({}));
  test.runtime.hangs = true;
  test.timing.deadline = 60s;
  RuntimeStats stats({{test.temporary.path() / "cri.sock", true}}, test.timing);
  const auto begin = std::chrono::steady_clock::now();
  std::thread other([&] {
    while (test.runtime.asked().empty()) std::this_thread::sleep_for(1ms);
    stats.cancel();
  });
  CHECK_FALSE(stats.look_up({}));
  other.join();
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
}
