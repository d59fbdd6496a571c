#include "host-probe/merge/sandbox_state.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace std::chrono_literals;

namespace {

const SandboxState::Time start{};

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

wire::Container container(char digit, std::uint64_t cpu_ns, std::uint64_t oom_kills = 0, bool removed = false) {
  wire::Container made;
  made.id = id_of(digit);
  made.removed = removed;
  made.cpu_usage_ns = cpu_ns;
  made.oom_kills = oom_kills;
  return made;
}

wire::Snapshot snapshot(std::vector<wire::Container> containers) {
  wire::Snapshot made;
  made.containers = std::move(containers);
  return made;
}

SandboxReport report(SandboxState& state, SandboxState::Time now = start, bool connected = true) {
  SandboxReport made;
  state.report(made, connected, now);
  return made;
}

std::map<ContainerId, std::uint64_t> cpu_of(const SandboxReport& report) {
  std::map<ContainerId, std::uint64_t> cpu;
  for (const wire::Container& found : report.containers) cpu.emplace(found.id, *found.cpu_usage_ns);
  CHECK(cpu.size() == report.containers.size());
  return cpu;
}

using Cpu = std::map<ContainerId, std::uint64_t>;

}  // namespace

TEST_CASE("a sandbox that has said nothing has nothing to tell") {
  SandboxState state;
  CHECK_FALSE(report(state).guest_up);
  CHECK(report(state).containers.empty());
  CHECK(state.forgotten(start));
}

TEST_CASE("the last snapshot is told while it is fresh and the guest is there") {
  SandboxState state;
  state.take_over(snapshot({container('a', 1)}), start);
  CHECK(report(state).guest_up);
  CHECK(cpu_of(report(state)) == Cpu{{id_of('a'), 1}});
  const SandboxReport late = report(state, start + SandboxState::freshness + 1ms);
  CHECK_FALSE(late.guest_up);
  CHECK(late.containers.empty());
  CHECK(late.oom_kills.size() == 1);
  CHECK_FALSE(report(state, start, false).guest_up);
}

TEST_CASE("a removed container is told once with its last values, its OOM kills for longer") {
  SandboxState state;
  state.take_over(snapshot({container('a', 1), container('b', 1)}), start);
  state.take_over(snapshot({container('a', 2), container('b', 7, 1, true)}), start);
  CHECK(cpu_of(report(state)) == Cpu{{id_of('a'), 2}, {id_of('b'), 7}});
  // Listed again because the acknowledgement was lost.
  state.take_over(snapshot({container('a', 3), container('b', 7, 1, true)}), start);
  const SandboxReport second = report(state);
  CHECK(cpu_of(second) == Cpu{{id_of('a'), 3}});
  CHECK(second.oom_kills.at(id_of('b')) == 1);
}

TEST_CASE("a container that came and went between two scrapes is told") {
  SandboxState state;
  state.take_over(snapshot({}), start);
  state.take_over(snapshot({container('b', 50'000'000, 0, true)}), start);
  CHECK(cpu_of(report(state)) == Cpu{{id_of('b'), 50'000'000}});
  CHECK(cpu_of(report(state)).empty());
}

TEST_CASE("last values that came too late for one report are in the next") {
  SandboxState state;
  state.take_over(snapshot({container('b', 7, 0, true)}), start);
  REQUIRE_FALSE(report(state, start + 2s).guest_up);
  state.take_over(snapshot({}), start + 3s);
  CHECK(cpu_of(report(state, start + 3s)) == Cpu{{id_of('b'), 7}});
}

TEST_CASE("of one id there is one row, the living one") {
  SandboxState state;
  state.take_over(snapshot({container('a', 90, 1, true), container('a', 95, 1, true), container('a', 3)}), start);
  const SandboxReport told = report(state);
  CHECK(cpu_of(told) == Cpu{{id_of('a'), 3}});
  CHECK(told.oom_kills.at(id_of('a')) == 2);
}

TEST_CASE("the guest's CPU is split into workload and guest system, and neither falls") {
  SandboxState state;
  wire::Snapshot first = snapshot({});
  first.guest.cpu_usage_ns = 100;
  first.guest.workload_cpu_usage_ns = 60;
  state.take_over(first, start);
  REQUIRE(report(state).guest_cpu);
  CHECK(report(state).guest_cpu->workload_ns == 60);
  CHECK(report(state).guest_cpu->guest_system_ns == 40);
  first.guest.cpu_usage_ns = 105;
  first.guest.workload_cpu_usage_ns = 70;
  state.take_over(first, start);
  CHECK(report(state).guest_cpu->workload_ns == 70);
  CHECK(report(state).guest_cpu->guest_system_ns == 40);
  first.guest.workload_cpu_usage_ns.reset();
  state.take_over(first, start);
  CHECK_FALSE(report(state).guest_cpu);
}

TEST_CASE("the guest's memory and its interfaces are told while it is there") {
  SandboxState state;
  wire::Snapshot first = snapshot({});
  first.guest.memory_total_bytes = 7;
  first.interfaces = {{"eth0", 1, 0, 0, 0, 0, 0, 0, 0}};
  state.take_over(first, start);
  CHECK(report(state).guest.memory_total_bytes == 7);
  REQUIRE(report(state).interfaces.size() == 1);
  CHECK(report(state).interfaces[0].receive_bytes == 1);
  CHECK_FALSE(report(state, start, false).guest.memory_total_bytes);
  CHECK(report(state, start, false).interfaces.empty());
  state.connected("another boot", start);
  state.take_over(snapshot({}), start);
  CHECK(report(state).interfaces.empty());
}

TEST_CASE("a guest that names its interfaces ever anew makes no more series") {
  SandboxState state;
  for (std::size_t i = 0; i < InterfaceNames::at_most + 10; ++i) {
    wire::Snapshot next = snapshot({});
    next.interfaces = {{"eth0", 1, 0, 0, 0, 0, 0, 0, 0}, {"x" + std::to_string(i), 1, 0, 0, 0, 0, 0, 0, 0}};
    state.connected("boot " + std::to_string(i), start);
    state.take_over(next, start);
    CHECK(report(state).interfaces.size() == (i + 1 < InterfaceNames::at_most ? 2 : 1));
  }
  CHECK(report(state).interfaces[0].name == "eth0");
}

TEST_CASE("a guest that numbers its block devices ever anew makes no more series") {
  SandboxState state;
  for (std::uint32_t i = 0; i < BlockDeviceNumbers::at_most + 10; ++i) {
    wire::Container busy = container('a', 1);
    busy.block_devices = {{253, 0, 1, 1, 1, 1}, {254, i, 1, 1, 1, 1}};
    state.connected("boot " + std::to_string(i), start);
    state.take_over(snapshot({busy}), start);
    const auto told = report(state).containers.at(0).block_devices;
    CHECK(told.size() == (i + 1 < BlockDeviceNumbers::at_most ? 2 : 1));
    CHECK(told.at(0).major == 253);
  }
}

TEST_CASE("another boot ends what was there before it") {
  SandboxState state;
  state.connected("boot-1", start);
  state.take_over(snapshot({container('a', 1, 1)}), start);
  state.connected("boot-1", start);
  CHECK(report(state).guest_up);
  state.connected("boot-2", start);
  CHECK_FALSE(report(state).guest_up);
  CHECK(report(state).oom_kills.at(id_of('a')) == 1);
}

TEST_CASE("of an ended sandbox only the OOM kills are told, for the window") {
  SandboxState state;
  state.take_over(snapshot({container('a', 1, 2)}), start);
  state.end(start);
  CHECK(report(state).containers.empty());
  CHECK(report(state).oom_kills.at(id_of('a')) == 2);
  CHECK_FALSE(state.forgotten(start + OomLedger::window - 1s));
  CHECK(state.forgotten(start + OomLedger::window));
}
