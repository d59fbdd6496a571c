#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>

#include "host-probe/node/node.h"
#include "tests/support/containers.h"
#include "tests/support/fake_guest.h"
#include "tests/support/loop.h"
#include "tests/support/rendered.h"
#include "tests/support/temporary_directory.h"

// A node with fake guests and processes.
namespace katameter::host::testing {

using namespace katameter::testing;
using namespace std::chrono_literals;

inline std::uint64_t rejected(const SandboxReport& sandbox, DropReason reason) {
  return sandbox.rejected[static_cast<std::size_t>(reason)];
}

struct FakeProcesses : ProcessSource {
  Result<std::map<SandboxId, SandboxProcesses>> collect() override {
    ++passes;
    if (fails) return failure("cannot read");
    const auto read = figures;
    if (forgets) {
      for (const SandboxId& id : forgotten) figures.erase(id);
    }
    return read;
  }
  bool has_last_values(const SandboxId& sandbox) const override { return figures.contains(sandbox); }
  void follow(const SandboxId& sandbox, const SandboxId& /*vm*/) override { followed.push_back(sandbox); }
  HostOoms forget(const SandboxId& sandbox) override {
    forgotten.push_back(sandbox);
    return {{Role::vmm, no_kills ? 0 : 1}, {Role::virtiofsd, 0}};
  }

  std::optional<std::uint32_t> vmm(const SandboxId& sandbox) const override {
    asked_for_vmm.push_back(sandbox);
    return running_vmm;
  }
  bool lives(const SandboxId& sandbox) const override { return !ended.contains(sandbox); }

  std::map<SandboxId, SandboxProcesses> figures;
  std::vector<SandboxId> followed;
  std::vector<SandboxId> forgotten;
  mutable std::vector<SandboxId> asked_for_vmm;
  std::set<SandboxId> ended;  // of which no process lives
  std::optional<std::uint32_t> running_vmm;
  int passes = 0;
  bool no_kills = false;
  bool forgets = false;  // what has ended is in one more collection, as with ProcessAccount
  bool fails = false;
};

struct Fixture {
  FakeGuest& add(char digit) { return add(digit, id_of(digit)); }
  FakeGuest& add(char digit, const ContainerId& id) {
    const auto directory = temporary.path() / (id == id_of(digit) ? std::string(1, digit) : id.hex().substr(0, 8));
    std::filesystem::create_directories(directory);
    auto guest = std::make_unique<FakeGuest>(loop, directory / "clh.sock");
    FakeGuest& added = *guest;
    guests.push_back(std::move(guest));
    added.snapshot = [this, digit](std::uint64_t request) {
      wire::Snapshot made{request, ++sequence, sequence, {}, {}, {}};
      made.containers.emplace_back().id = id_of(digit == 'a' ? '1' : '2');
      made.containers.back().cpu_usage_ns = cpu_ns;
      made.containers.back().oom_kills = 1;
      return made;
    };
    node->sandbox_appeared({id, directory.string(), "clh.sock", "cloud-hypervisor"});
    REQUIRE(loop.until([&] { return added.received<wire::Hello>().size() == 1; }));
    loop.pass(5ms);
    return added;
  }
  std::shared_ptr<const NodeReport> collect() {
    std::shared_ptr<const NodeReport> report;
    node->collect([&](auto made) { report = std::move(made); });
    REQUIRE(loop.until([&] { return report != nullptr; }));
    return report;
  }

  TemporaryDirectory temporary;
  Loop loop;
  FakeProcesses processes;
  std::vector<std::unique_ptr<FakeGuest>> guests;
  std::uint64_t sequence = 0;
  std::uint64_t cpu_ns = 100;
  std::unique_ptr<Node> node = std::make_unique<Node>(loop.events(), loop.timers(), &processes);
};

}  // namespace katameter::host::testing
