#include "host-probe/merge/start_times.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace std::chrono_literals;

namespace {

const ContainerId id = *ContainerId::from_hex(std::string(64, 'a'));
const HostStartTimes::WallTime noon{1'800'000'000s};

wire::Container container(std::uint64_t start_s, bool removed = false) {
  wire::Container made;
  made.id = id;
  made.start_boottime_ns = start_s * 1'000'000'000;
  made.removed = removed;
  return made;
}

wire::Snapshot snapshot(std::uint64_t boottime_s, std::vector<wire::Container> containers) {
  wire::Snapshot made;
  made.boottime_ns = boottime_s * 1'000'000'000;
  made.containers = std::move(containers);
  return made;
}

std::optional<std::int64_t> start_of(const HostStartTimes& times) {
  const auto found = times.of({container(0)});
  return found.empty() ? std::nullopt : std::optional(found.begin()->second);
}

}  // namespace

TEST_CASE("a container's age in its guest is a time of the host's clock, and stays it") {
  HostStartTimes times;
  times.take_over(snapshot(100, {container(90)}), noon);
  CHECK(start_of(times) == 1'799'999'990);
  times.take_over(snapshot(130, {container(90)}), noon + 31s);  // the clocks have drifted
  CHECK(start_of(times) == 1'799'999'990);
}

TEST_CASE("a container that is made again begins again") {
  HostStartTimes times;
  times.take_over(snapshot(100, {container(90)}), noon);
  times.take_over(snapshot(110, {container(105), container(90, true)}), noon + 10s);
  CHECK(start_of(times) == 1'800'000'005);
}

TEST_CASE("a start after the snapshot is none, and another boot knows none") {
  HostStartTimes times;
  times.connected("one");
  times.take_over(snapshot(100, {container(101)}), noon);
  CHECK_FALSE(start_of(times));
  times.take_over(snapshot(100, {container(90)}), noon);
  times.connected("one");
  CHECK(start_of(times));
  times.connected("two");
  CHECK_FALSE(start_of(times));
}
