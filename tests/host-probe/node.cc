#include "host-probe/node.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <set>

#include "tests/host-probe/support/fake_guest.h"
#include "tests/host-probe/support/loop.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

struct FakeProcesses : ProcessSource {
  Result<std::map<ContainerId, SandboxProcesses>> collect() override {
    ++passes;
    if (fails) return failure("no figures today");
    return figures;
  }
  HostOoms forget(const ContainerId& sandbox) override {
    forgotten.push_back(sandbox);
    return {{Role::vmm, 1}, {Role::virtiofsd, 0}};
  }

  std::optional<std::uint32_t> vmm(const ContainerId& sandbox) const override {
    asked_for_vmm.push_back(sandbox);
    return std::nullopt;
  }

  std::map<ContainerId, SandboxProcesses> figures;
  std::vector<ContainerId> forgotten;
  mutable std::vector<ContainerId> asked_for_vmm;
  int passes = 0;
  bool fails = false;
};

struct Fixture {
  FakeGuest& add(char digit) {
    const auto directory = temporary.path() / std::string(1, digit);
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
    node->sandbox_appeared({id_of(digit), directory.string(), "clh.sock", "cloud-hypervisor"});
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

}  // namespace

TEST_CASE("a report merges every guest's answer with the host's figures") {
  Fixture test;
  test.add('a');
  test.add('b');
  test.processes.figures[id_of('a')].memory.guest_ram_bytes = 4096;
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 2);
  CHECK(report->sandboxes[0].id == id_of('a'));
  CHECK(report->sandboxes[0].guest_up);
  CHECK(report->sandboxes[0].containers.at(0).id == id_of('1'));
  REQUIRE(report->sandboxes[0].processes);
  CHECK(report->sandboxes[0].processes->memory.guest_ram_bytes == 4096);
  CHECK(report->sandboxes[1].containers.at(0).id == id_of('2'));
  CHECK_FALSE(report->sandboxes[1].processes);
  CHECK(report->host_figures);
  CHECK(report->duration_seconds < 0.4);
}

TEST_CASE("two scrapers at once share one collection") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  std::vector<std::shared_ptr<const NodeReport>> reports;
  for (int i = 0; i < 2; ++i) test.node->collect([&](auto made) { reports.push_back(std::move(made)); });
  REQUIRE(test.loop.until([&] { return reports.size() == 2; }));
  CHECK(reports[0] == reports[1]);
  CHECK(test.processes.passes == 1);
  CHECK(guest.received<wire::Collect>().size() == 1);
  CHECK(test.collect() != reports[0]);
}

TEST_CASE("guests are asked each once, in an order that is new each time") {
  Fixture test;
  const std::string digits = "abcdef01";
  std::string asked;  // in the order in which their sockets had something to read
  std::vector<const FakeGuest*> guests;
  for (const char digit : digits) {
    FakeGuest& guest = test.add(digit);
    guests.push_back(&guest);
    guest.snapshot = [&asked, digit, made = guest.snapshot](std::uint64_t request) {
      asked += digit;
      return made(request);
    };
  }
  std::set<std::string> orders;
  std::set<char> first;
  std::set<char> last;
  // That one of 8 is never the first of 200 is as likely as one in 10^10.
  for (int round = 0; round < 200; ++round) {
    asked.clear();
    test.collect();
    CHECK(std::ranges::is_permutation(asked, digits));
    // Else the next round would find them ready in the order in which this one's were acknowledged.
    REQUIRE(test.loop.until([&] {
      return std::ranges::all_of(guests, [&](const FakeGuest* guest) {
        return guest->received<wire::Acknowledge>().size() > static_cast<std::size_t>(round);
      });
    }));
    orders.insert(asked);
    first.insert(asked.front());
    last.insert(asked.back());
  }
  CHECK(orders.size() > 100);
  CHECK(first.size() == digits.size());
  CHECK(last.size() == digits.size());
}

TEST_CASE("a guest that does not answer in time is left out, the others are told") {
  Fixture test;
  FakeGuest& mute = test.add('a');
  test.add('b');
  mute.snapshot = nullptr;
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest_up);
  CHECK(report->sandboxes[0].containers.empty());
  CHECK(report->sandboxes[1].guest_up);
  CHECK(report->duration_seconds >= 0.5);
  CHECK(report->duration_seconds < 1.5);
}

TEST_CASE("a guest that leaves during a collection holds nobody up") {
  Fixture test;
  FakeGuest& leaving = test.add('a');
  test.add('b');
  leaving.snapshot = [&](std::uint64_t) {
    leaving.close();
    return std::optional<wire::Snapshot>();
  };
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest_up);
  CHECK(report->sandboxes[1].guest_up);
  CHECK(report->duration_seconds < 0.4);
}

TEST_CASE("nonsense from one guest is counted by reason and leaves the others alone") {
  Fixture test;
  FakeGuest& bad = test.add('a');
  test.add('b');
  bad.snapshot = [&](std::uint64_t) {
    bad.send_bytes(std::string("\0\0\0\3abc", 7));
    return std::optional<wire::Snapshot>();
  };
  const auto report = test.collect();
  CHECK(report->sandboxes.at(0).rejected[static_cast<std::size_t>(DropReason::malformed)] == 1);
  CHECK_FALSE(report->sandboxes[0].guest_up);
  CHECK(report->sandboxes[1].guest_up);
  CHECK(report->sandboxes[1].rejected == decltype(report->sandboxes[1].rejected){});
}

TEST_CASE("a snapshot that breaks a rule is dropped whole and counted") {
  Fixture test;
  test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest_up);
  test.cpu_ns = 99;
  test.loop.pass(SandboxState::freshness + 10ms);
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest_up);
  CHECK(report->sandboxes[0].containers.empty());
  CHECK(report->sandboxes[0].rejected[static_cast<std::size_t>(DropReason::counter_fell)] == 1);
}

TEST_CASE("OOM events are counted once, however often they are sent") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  wire::OomEvent event;
  event.sequence = 1;
  event.boottime_ns = 1;
  guest.send(event);
  guest.send(event);
  event.sequence = 2;
  guest.send(event);
  REQUIRE(test.loop.until([&] {
    const auto acknowledged = guest.received<wire::Acknowledge>();
    return !acknowledged.empty() && acknowledged.back().event_sequence == 2;
  }));
  CHECK(test.collect()->sandboxes.at(0).oom_events == 2);
}

TEST_CASE("a sandbox that ends is gone from the next report, its OOM kills excepted") {
  Fixture test;
  test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest_up);
  test.node->sandbox_gone(id_of('a'));
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 1);
  CHECK(report->sandboxes[0].ended);
  CHECK(report->sandboxes[0].containers.empty());
  CHECK(report->sandboxes[0].oom_kills.at(id_of('1')) == 1);
  CHECK(test.processes.forgotten == std::vector{id_of('a')});
  CHECK(report->sandboxes[0].host_ooms == HostOoms{{Role::vmm, 1}});
}

TEST_CASE("a sandbox that comes back goes on where it ended, in one row") {
  Fixture test;
  test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest_up);
  test.node->sandbox_gone(id_of('a'));
  test.guests.clear();
  test.add('a');
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 1);
  CHECK(report->sandboxes[0].guest_up);
  CHECK(report->sandboxes[0].oom_kills.at(id_of('1')) == 1);
}

TEST_CASE("a host that cannot be read leaves the guests' figures") {
  Fixture test;
  test.add('a');
  test.processes.fails = true;
  const auto report = test.collect();
  CHECK_FALSE(report->host_figures);
  CHECK(report->sandboxes.at(0).guest_up);
}

TEST_CASE("who waits for a report when the node goes away gets none, and an answer") {
  Fixture test;
  test.add('a').snapshot = nullptr;
  bool answered = false;
  std::shared_ptr<const NodeReport> report = std::make_shared<NodeReport>();
  test.node->collect([&](auto made) {
    answered = true;
    report = std::move(made);
  });
  test.node.reset();
  CHECK(answered);
  CHECK(report == nullptr);
}

TEST_CASE("a guest that claims more CPU than its vCPUs got is marked, and none of its figures is told") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  guest.snapshot = [made = guest.snapshot](std::uint64_t request) {
    auto snapshot = made(request);
    snapshot->boottime_ns += 3600'000'000'000;  // up for long enough to have used so much
    return snapshot;
  };
  const auto vcpus = [&](std::uint64_t cpu_ns, std::uint64_t run_delay_ns) {
    test.processes.figures[id_of('a')].cpu[Role::vcpu] = {cpu_ns, run_delay_ns};
  };
  constexpr std::uint64_t second = 1'000'000'000;
  constexpr auto reason = static_cast<std::size_t>(DropReason::cpu_claim);
  vcpus(second, second);
  CHECK(test.collect()->sandboxes.at(0).guest_up);
  // Half of it waiting: a busy host, an honest guest.
  test.cpu_ns += 200 * second;
  vcpus(101 * second, 101 * second);
  const auto honest = test.collect();
  CHECK(honest->sandboxes.at(0).guest_up);
  CHECK(honest->sandboxes.at(0).rejected[reason] == 0);
  REQUIRE(honest->sandboxes.at(0).containers.size() == 1);
  CHECK(honest->sandboxes.at(0).containers[0].cpu_usage_ns == test.cpu_ns);

  test.cpu_ns += 1000 * second;
  const auto claims = test.collect();
  const SandboxReport& sandbox = claims->sandboxes.at(0);
  CHECK_FALSE(sandbox.guest_up);
  CHECK(sandbox.rejected[reason] == 1);
  CHECK(sandbox.suspect);
  CHECK(sandbox.containers.empty());
  CHECK(sandbox.processes.has_value());
}

TEST_CASE("a guest that spreads what it did not use over many containers is marked, too") {
  Fixture test;
  constexpr std::uint64_t second = 1'000'000'000;
  constexpr auto reason = static_cast<std::size_t>(DropReason::cpu_claim);
  FakeGuest& guest = test.add('a');
  guest.snapshot = [&test](std::uint64_t request) {
    wire::Snapshot made{request, ++test.sequence, 3600 * second + test.sequence, {}, {}, {}};
    for (const char digit : std::string("0123456789")) {
      wire::Container& container = made.containers.emplace_back();
      container.id = id_of(digit);
      container.cpu_usage_ns = test.cpu_ns;
    }
    return made;
  };
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {second, second};
  CHECK(test.collect()->sandboxes.at(0).guest_up);
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {101 * second, second};
  test.cpu_ns += 10 * second;
  const auto honest = test.collect();
  CHECK(honest->sandboxes.at(0).guest_up);
  CHECK(honest->sandboxes.at(0).rejected[reason] == 0);

  test.cpu_ns += 50 * second;
  const auto claims = test.collect();
  CHECK_FALSE(claims->sandboxes.at(0).guest_up);
  CHECK(claims->sandboxes.at(0).rejected[reason] == 1);
  CHECK(claims->sandboxes.at(0).suspect);
  CHECK(claims->sandboxes.at(0).containers.empty());
}

TEST_CASE("a guest that is reached by its CID is looked for by way of its VMM's process") {
  Fixture test;
  test.node->sandbox_appeared({id_of('a'), test.temporary.path(), "root/console.sock", "qemu", Reach::cid});
  CHECK(test.processes.asked_for_vmm == std::vector{id_of('a')});
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest_up);
  CHECK_FALSE(report->sandboxes.at(0).suspect);
}

TEST_CASE("each collector has its time and its success") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  const auto good = test.collect();
  CHECK(good->guests.success);
  CHECK(good->processes.success);
  CHECK(good->guests.seconds > 0);
  CHECK(good->processes.seconds > 0);
  test.processes.fails = true;
  guest.snapshot = nullptr;
  const auto bad = test.collect();
  CHECK_FALSE(bad->guests.success);
  CHECK_FALSE(bad->processes.success);
  CHECK(bad->guests.seconds >= 0.5);
}
