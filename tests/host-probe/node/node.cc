#include "host-probe/node/node.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <type_traits>

#include "host-probe/own_metrics/own_metrics.h"
#include "tests/support/containers.h"
#include "tests/support/exposition_text.h"
#include "tests/support/fake_guest.h"
#include "tests/support/loop.h"
#include "tests/support/rendered.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

std::uint64_t rejected(const SandboxReport& sandbox, DropReason reason) {
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

/// katameter_guest_entries_left_out_total{kind="ended_container"}
double left_out() {
  const auto series = parse_exposition(OwnMetrics::of_process().text());
  REQUIRE(series);
  for (const TextSeries& one : *series) {
    if (one.name != "katameter_guest_entries_left_out_total") continue;
    if (one.label("kind") == "ended_container") return one.value;
  }
  FAIL("no such series");
  return 0;
}

}  // namespace

TEST_CASE("a report merges every guest's answer with the host's values") {
  Fixture test;
  test.add('a');
  test.add('b');
  test.processes.figures[id_of('a')].memory.guest_ram_bytes = 4096;
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 2);
  CHECK(report->sandboxes[0].id == id_of('a'));
  CHECK(report->sandboxes[0].guest);
  CHECK(report->sandboxes[0].guest->containers.at(0).id == id_of('1'));
  REQUIRE(report->sandboxes[0].processes);
  CHECK(report->sandboxes[0].processes->memory.guest_ram_bytes == 4096);
  CHECK(report->sandboxes[1].guest->containers.at(0).id == id_of('2'));
  CHECK_FALSE(report->sandboxes[1].processes);
  CHECK(report->processes.success);
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

TEST_CASE("a guest that does not answer in time is left out, the others are reported") {
  Fixture test;
  FakeGuest& mute = test.add('a');
  test.add('b');
  mute.snapshot = nullptr;
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest);
  CHECK(rejected(report->sandboxes[0], DropReason::late) == 1);
  CHECK_FALSE(report->sandboxes[0].suspect);
  CHECK(report->sandboxes[1].guest);
  CHECK(report->duration_seconds >= 0.5);
  CHECK(report->duration_seconds < 1.5);
}

TEST_CASE("a guest that leaves during a collection does not delay it") {
  Fixture test;
  FakeGuest& leaving = test.add('a');
  test.add('b');
  leaving.snapshot = [&](std::uint64_t) {
    leaving.close();
    return std::optional<wire::Snapshot>();
  };
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest);
  CHECK(report->sandboxes[1].guest);
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
  CHECK(rejected(report->sandboxes.at(0), DropReason::malformed) == 1);
  CHECK_FALSE(report->sandboxes[0].guest);
  CHECK(report->sandboxes[1].guest);
  CHECK(report->sandboxes[1].rejected == decltype(report->sandboxes[1].rejected){});
}

TEST_CASE("a snapshot that breaks a rule is dropped whole and counted") {
  Fixture test;
  test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest);
  test.cpu_ns = 99;
  test.loop.pass(GuestRun::freshness + 10ms);
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest);
  CHECK(rejected(report->sandboxes[0], DropReason::counter_fell) == 1);
}

TEST_CASE("a snapshot whose counters fell costs that scrape, and the next is reported") {
  Fixture test;
  test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest);
  test.cpu_ns = 50;  // restored to an earlier state
  CHECK_FALSE(test.collect()->sandboxes.at(0).guest);
  const auto report = test.collect();
  REQUIRE(report->sandboxes.at(0).guest);
  CHECK(report->sandboxes[0].guest->containers.at(0).cpu_usage_ns == 50u);
  CHECK(rejected(report->sandboxes[0], DropReason::counter_fell) == 1);
  CHECK_FALSE(report->sandboxes[0].suspect);
}

TEST_CASE("a guest whose counters fall again and again is suspect") {
  Fixture test;
  test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest);
  for (int fall = 1; fall <= 5; ++fall) {
    --test.cpu_ns;
    CHECK_FALSE(test.collect()->sandboxes.at(0).suspect);
  }
  --test.cpu_ns;
  CHECK(test.collect()->sandboxes.at(0).suspect);
}

TEST_CASE("another instance of guest-probe may count from less, and is not suspect") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest);
  test.cpu_ns = 10;
  guest.hello->instance = "another";
  guest.close();
  REQUIRE(test.loop.until([&] { return guest.received<wire::Hello>().size() == 2; }));
  test.loop.pass(5ms);
  const auto report = test.collect();
  REQUIRE(report->sandboxes.at(0).guest);
  CHECK(report->sandboxes[0].guest->containers.at(0).cpu_usage_ns == 10u);
  CHECK_FALSE(report->sandboxes[0].suspect);
  CHECK(report->sandboxes[0].rejected == decltype(report->sandboxes[0].rejected){});
}

TEST_CASE("a guest that always answers late has values that are one scrape old, and a reason before") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  const auto answer = guest.snapshot;
  guest.snapshot = nullptr;
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {1000, 1000};
  std::uint64_t host_cpu_ns = 0;
  for (std::uint64_t scrape = 1; scrape <= 4; ++scrape) {
    test.cpu_ns = 100 * scrape;
    test.processes.figures[id_of('a')].cpu[Role::vcpu].cpu_ns += 1000;
    const auto report = test.collect();
    const SandboxReport& sandbox = report->sandboxes.at(0);
    CHECK(rejected(sandbox, DropReason::late) == scrape);
    CHECK_FALSE(sandbox.suspect);
    CHECK(sandbox.guest.has_value() == (scrape > 1));
    if (sandbox.guest) {
      CHECK(sandbox.guest->late);
      CHECK(sandbox.guest->containers.at(0).cpu_usage_ns == 100 * (scrape - 1));
    }
    // The host's sums go on as without an answer.
    REQUIRE(sandbox.account);
    CHECK(sandbox.account->cpu_total_ns > host_cpu_ns);
    host_cpu_ns = sandbox.account->cpu_total_ns;
    CHECK(sandbox.account->cpu_ns[static_cast<std::size_t>(CpuComponent::guest_silent)] == host_cpu_ns);
    // The answer comes when the report is made.
    guest.send(*answer(guest.received<wire::Collect>().back().request));
    REQUIRE(test.loop.until([&] { return guest.received<wire::Acknowledge>().size() == scrape; }));
  }
}

TEST_CASE("an answer that comes during the next collection is in its report, as a late one") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  const auto answer = guest.snapshot;
  guest.snapshot = nullptr;
  CHECK_FALSE(test.collect()->sandboxes.at(0).guest);
  std::shared_ptr<const NodeReport> report;
  test.node->collect([&](auto made) { report = std::move(made); });
  test.loop.pass(5ms);
  CHECK(guest.received<wire::Collect>().size() == 1);  // not again while the guest works on it
  guest.send(*answer(guest.received<wire::Collect>().back().request));
  REQUIRE(test.loop.until([&] { return report != nullptr; }));
  REQUIRE(report->sandboxes.at(0).guest);
  CHECK(report->sandboxes[0].guest->late);
  CHECK(report->sandboxes[0].guest->containers.size() == 1);
  CHECK_FALSE(report->sandboxes[0].suspect);
}

TEST_CASE("a guest whose answer is overdue has no part in the report") {
  Fixture test;
  test.node = nullptr;
  GuestTiming timing;
  timing.answer_timeout = 4s;
  timing.absence_backoff_min = timing.absence_backoff_max;  // it does not come back within the test
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, timing);
  FakeGuest& guest = test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest);
  guest.snapshot = nullptr;
  CHECK(test.collect()->sandboxes.at(0).guest);  // one scrape old
  test.loop.pass(timing.answer_timeout);
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest);
  CHECK(rejected(report->sandboxes[0], DropReason::silent) == 1);
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
  REQUIRE(test.collect()->sandboxes.at(0).guest);
  test.node->sandbox_gone(id_of('a'));
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 1);
  CHECK(report->sandboxes[0].ended);
  CHECK_FALSE(report->sandboxes[0].guest);
  CHECK(report->sandboxes[0].oom_kills.at(id_of('1')) == 1);
  CHECK(test.processes.forgotten == std::vector<SandboxId>{id_of('a')});
  CHECK(report->sandboxes[0].host_ooms == HostOoms{{Role::vmm, 1}});
  for (int scraper = 0; scraper < 2; ++scraper) {
    const std::string text = rendered_text(*test.collect());
    CHECK(text.find("container_cpu_usage_seconds_total{id=\"/kata/" + id_of('a').hex() + "/" + id_of('1').hex()) !=
          std::string::npos);
    CHECK(text.find("container_memory_usage_bytes{") == std::string::npos);
    CHECK(text.find("katameter_sandboxes 0\n") != std::string::npos);
  }
}

TEST_CASE("a container that ended is in every report, whether its guest answers or not") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  bool first = true;
  guest.snapshot = [&, made = guest.snapshot](std::uint64_t request) {
    auto snapshot = made(request);
    if (std::exchange(first, false)) snapshot->containers.push_back(container('b', 50, 0, true));
    snapshot->containers[0].memory_usage_bytes = 4096;
    return snapshot;
  };
  const auto ended = [](const NodeReport& report) {
    REQUIRE(report.sandboxes.size() == 1);
    std::vector<ContainerId> ids;
    for (const EndedContainer& container : report.sandboxes[0].ended_containers) ids.push_back(container.last->id);
    return ids;
  };
  for (int scrape = 0; scrape < 3; ++scrape) CHECK(ended(*test.collect()) == std::vector{id_of('b')});
  guest.hello.reset();
  guest.close();
  test.loop.pass(5ms);
  const auto silent = test.collect();
  CHECK_FALSE(silent->sandboxes.at(0).guest);
  CHECK(ended(*silent) == std::vector{id_of('b')});
  // With its sandbox goes the container that was in the last report.
  test.node->sandbox_gone(id_of('a'));
  CHECK(ended(*test.collect()) == std::vector{id_of('b'), id_of('1')});
}

TEST_CASE("what is kept of ended sandboxes' containers is bounded on the node") {
  Fixture test;
  const double before = left_out();
  const std::size_t sandboxes = 12;  // each with as many ended containers as are kept of one
  for (std::size_t i = 0; i < sandboxes; ++i) {
    const ContainerId id = *ContainerId::from_hex(fmt::format("{:08x}{:056x}", i, 0));
    FakeGuest& guest = test.add('a', id);
    guest.snapshot = [&](std::uint64_t request) {
      wire::Snapshot made{request, ++test.sequence, test.sequence, {}, {}, {}};
      for (std::size_t c = 0; c < EndedContainers::max; ++c) {
        wire::Container& container = made.containers.emplace_back();
        container.id = *ContainerId::from_hex(fmt::format("{:032x}{:032x}", i + 1, c));
        container.cpu_usage_ns = 1;
      }
      return made;
    };
    test.collect();
    test.node->sandbox_gone(id);
    test.guests.clear();
  }
  const auto report = test.collect();
  std::size_t kept = 0;
  for (const SandboxReport& sandbox : report->sandboxes) kept += sandbox.ended_containers.size();
  CHECK(kept == 2048);
  CHECK(left_out() - before == 4 * EndedContainers::max);
}

TEST_CASE("a sandbox that comes back goes on where it ended, in one row") {
  Fixture test;
  test.add('a');
  REQUIRE(test.collect()->sandboxes.at(0).guest);
  test.node->sandbox_gone(id_of('a'));
  test.guests.clear();
  test.add('a');
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 1);
  CHECK(report->sandboxes[0].guest);
  CHECK(report->sandboxes[0].oom_kills.at(id_of('1')) == 1);
}

TEST_CASE("of a directory behind which no VMM was seen, nothing is kept") {
  Fixture test;
  test.processes.no_kills = true;
  test.add('a').snapshot = [](std::uint64_t request) { return wire::Snapshot{request, 1, 1, {}, {}, {}}; };
  test.collect();
  test.node->sandbox_gone(id_of('a'));
  test.collect();
  CHECK(test.node->ended() == 0);
  test.guests.clear();
  test.processes.figures[id_of('a')].cpu[Role::vmm] = {.cpu_ns = 5};
  test.add('a').snapshot = [](std::uint64_t request) { return wire::Snapshot{request, 1, 1, {}, {}, {}}; };
  test.collect();
  test.node->sandbox_gone(id_of('a'));
  test.collect();
  CHECK(test.node->ended() == 1);
}

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

std::uint64_t node_cpu_ns(const NodeReport& report, CpuComponent component, const std::string& handler = {}) {
  const auto found = report.cpu_by_handler.find(handler);
  return found == report.cpu_by_handler.end() ? 0 : found->second.at(static_cast<std::size_t>(component));
}

}  // namespace

TEST_CASE("the node's totals have what a sandbox used to the end of its processes, and do not fall") {
  Fixture test;
  test.processes.forgets = true;
  auto& vmm = test.processes.figures[id_of('a')].cpu[Role::vmm];
  test.processes.figures[id_of('b')].cpu[Role::vmm] = {.cpu_ns = second_ns};
  test.node->begin();  // what 'b' had used belongs to the time before host-probe
  vmm.cpu_ns = 5 * second_ns;
  test.add('a');
  test.add('b');
  CHECK(node_cpu_ns(*test.collect(), CpuComponent::vmm) == 5 * second_ns);
  test.node->sandbox_gone(id_of('a'));
  vmm.cpu_ns = 7 * second_ns;  // its VMM exits
  const auto report = test.collect();
  CHECK(node_cpu_ns(*report, CpuComponent::vmm) == 7 * second_ns);
  const std::string text = rendered_text(*report);
  CHECK(text.find("katameter_node_sandbox_cpu_seconds_total{runtime_handler=\"\",component=\"vmm\"} 7\n") !=
        std::string::npos);
  CHECK(test.processes.figures.size() == 1);
  CHECK(node_cpu_ns(*test.collect(), CpuComponent::vmm) == 7 * second_ns);
}

TEST_CASE("a sandbox that lived between two scrapes is in the node's totals") {
  Fixture test;
  test.processes.forgets = true;
  test.collect();
  test.add('a');
  test.processes.figures[id_of('a')].cpu[Role::vmm] = {.cpu_ns = second_ns};
  test.node->sandbox_gone(id_of('a'));
  for (int scrape = 0; scrape < 2; ++scrape) {
    CHECK(node_cpu_ns(*test.collect(), CpuComponent::vmm) == second_ns);
  }
}

TEST_CASE("of sandboxes without a VMM the node's totals have nothing") {
  Fixture test;
  test.processes.figures[id_of('a')].cpu[Role::shim] = {.cpu_ns = second_ns};
  test.add('a');
  CHECK(node_cpu_ns(*test.collect(), CpuComponent::shim) == 0);
  test.node->sandbox_gone(id_of('a'));
  CHECK(node_cpu_ns(*test.collect(), CpuComponent::shim) == 0);
}

TEST_CASE("however many sandboxes end while nobody asks, the node's totals lose none") {
  Fixture test;
  test.processes.forgets = true;
  constexpr std::uint64_t sandboxes = 3000;  // of more than 1,024 that have ended the oldest is dropped
  for (std::uint64_t i = 0; i < sandboxes; ++i) {
    const ContainerId id = *ContainerId::from_hex(fmt::format("{:064x}", i));
    test.node->sandbox_appeared({id, test.temporary.path(), "clh.sock", "cloud-hypervisor"});
    test.processes.figures[id].cpu[Role::vmm] = {.cpu_ns = second_ns};
    test.node->sandbox_gone(id);
  }
  CHECK(test.processes.figures.size() < 1024);
  CHECK(node_cpu_ns(*test.collect(), CpuComponent::vmm) == sandboxes * second_ns);
}

TEST_CASE("a guest is asked once more when its sandbox goes and the connection is still up") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {second_ns, second_ns};
  test.collect();
  test.cpu_ns += 1000;
  guest.snapshot = [made = guest.snapshot](std::uint64_t request) {
    auto snapshot = made(request);
    snapshot->containers.push_back(container('b', 50, 0, true));
    return snapshot;
  };
  test.node->sandbox_gone(id_of('a'));
  REQUIRE(test.loop.until([&] { return test.node->ended() == 1; }));
  CHECK(guest.received<wire::Collect>().size() == 2);
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 1);
  std::map<ContainerId, std::uint64_t> cpu_ns;
  for (const EndedContainer& one : report->sandboxes[0].ended_containers) {
    cpu_ns.emplace(one.last->id, *one.last->cpu_usage_ns);
  }
  CHECK(cpu_ns == std::map<ContainerId, std::uint64_t>{{id_of('1'), test.cpu_ns}, {id_of('b'), 50}});
}

TEST_CASE("a sandbox that goes while a collection waits for its guest is in that report") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  const auto answer = guest.snapshot;
  guest.snapshot = nullptr;
  std::shared_ptr<const NodeReport> report;
  test.node->collect([&](auto made) { report = std::move(made); });
  REQUIRE(test.loop.until([&] { return guest.received<wire::Collect>().size() == 1; }));
  test.node->sandbox_gone(id_of('a'));
  const bool answers = GENERATE(true, false);
  if (answers) {
    guest.send(*answer(guest.received<wire::Collect>().back().request));
  } else {
    guest.close();
  }
  REQUIRE(test.loop.until([&] { return report != nullptr; }));
  REQUIRE(report->sandboxes.size() == 1);
  CHECK(report->sandboxes[0].ended);
  CHECK(report->sandboxes[0].ended_containers.size() == (answers ? 1 : 0));
  CHECK(test.node->ended() == 1);
}

TEST_CASE("what a guest says last is checked as all else") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  guest.snapshot = [made = guest.snapshot](std::uint64_t request) {
    auto snapshot = made(request);
    snapshot->boottime_ns += 3600'000'000'000;
    return snapshot;
  };
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {second_ns, second_ns};
  const std::uint64_t honest_ns = test.cpu_ns;
  test.collect();
  test.cpu_ns += 1000 * second_ns;
  test.node->sandbox_gone(id_of('a'));
  REQUIRE(test.loop.until([&] { return test.node->ended() == 1; }));
  for (const EndedContainer& one : test.collect()->sandboxes.at(0).ended_containers) {
    CHECK(one.last->cpu_usage_ns == honest_ns);
  }
}

TEST_CASE("a guest that does not answer any more keeps its sandbox's end waiting for half a second at most") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  test.collect();
  guest.snapshot = nullptr;
  test.node->sandbox_gone(id_of('a'));
  CHECK(test.node->ended() == 0);
  const bool comes_back = GENERATE(false, true);
  if (comes_back) {
    test.node->sandbox_appeared({id_of('a'), test.temporary.path(), "clh.sock", "cloud-hypervisor"});
    CHECK(test.node->ended() == 0);
    CHECK_FALSE(test.collect()->sandboxes.at(0).ended);
  } else {
    REQUIRE(test.loop.until([&] { return test.node->ended() == 1; }));
    CHECK(test.collect()->sandboxes.at(0).ended_containers.size() == 1);
  }
}

TEST_CASE("a sandbox that comes back while its VMM runs goes on with what the VMM had used") {
  Fixture test;
  test.processes.figures[id_of('a')].cpu[Role::vmm] = {.cpu_ns = 5'000'000'000};
  test.add('a');
  const std::uint64_t before = test.collect()->sandboxes.at(0).account->cpu_total_ns;
  test.node->sandbox_gone(id_of('a'));
  test.guests.clear();
  test.collect();
  test.processes.figures[id_of('a')].cpu[Role::vmm] = {.cpu_ns = 6'000'000'000};
  test.add('a');
  CHECK(test.processes.followed == std::vector<SandboxId>{id_of('a'), id_of('a')});
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 1);
  CHECK(report->sandboxes[0].account->cpu_total_ns == before + 1'000'000'000);
}

TEST_CASE("what ended a sandbox is reported with its pod's name: events that no snapshot has, and their class") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  test.collect();
  wire::OomEvent event;
  event.sequence = 1;
  event.boottime_ns = 1'000'000'000;
  event.container = id_of('1');
  event.oom_class = wire::OomClass::guest;
  guest.send(event);
  REQUIRE(test.loop.until([&] {
    return !guest.received<wire::Acknowledge>().empty() &&
           guest.received<wire::Acknowledge>().back().event_sequence == 1;
  }));
  test.node->sandbox_gone(id_of('a'));
  const auto report = test.collect();
  REQUIRE(report->sandboxes.size() == 1);
  CHECK(report->sandboxes[0].ended);
  CHECK(report->sandboxes[0].oom_kills.at(id_of('1')) == 2);
  CHECK(report->sandboxes[0].oom_kills_by_class[static_cast<std::size_t>(wire::OomClass::guest)] == 1);
}

TEST_CASE("a guest that boots behind a VMM that takes connections already is nothing to warn of") {
  Fixture test;
  GuestTiming timing;
  timing.connect_timeout = 20ms;
  timing.absence_backoff_min = timing.violation_backoff_min = 1ms;
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, timing);
  const auto directory = test.temporary.path() / "a";
  std::filesystem::create_directories(directory);
  FakeGuest booting(test.loop, directory / "clh.sock");
  booting.hello.reset();
  test.node->sandbox_appeared({id_of('a'), directory.string(), "clh.sock", "cloud-hypervisor"});
  REQUIRE(test.loop.until([&] { return booting.connections > 1; }));
  CHECK(rejected(test.collect()->sandboxes.at(0), DropReason::silent) == 0);
}

TEST_CASE("a sandbox whose VMM is not followed has no sums, and says so") {
  Fixture test;
  test.processes.figures[id_of('a')].cpu[Role::shim] = {.cpu_ns = 5'000'000'000};
  test.processes.figures[id_of('a')].memory.shim_bytes = 4096;
  test.add('a');
  const auto count = [&](const std::string& metric) {
    const std::string text = rendered_text(*test.collect());
    return std::pair(
        text.find(metric + "{") != std::string::npos,
        text.find("katameter_sandbox_vmm_found{sandbox_id=\"" + id_of('a').hex() + "\"} 1") != std::string::npos);
  };
  for (const char* metric : {"katameter_sandbox_host_cpu_seconds_total", "katameter_sandbox_cpu_seconds_total",
                             "katameter_sandbox_memory_bytes", "katameter_sandbox_host_memory_bytes"}) {
    INFO(metric);
    test.processes.figures[id_of('a')].cpu.erase(Role::vmm);
    CHECK(count(metric) == std::pair(false, false));
    test.processes.figures[id_of('a')].cpu[Role::vmm] = {.cpu_ns = 1};
    CHECK(count(metric) == std::pair(true, true));
  }
}

TEST_CASE("a host that cannot be read leaves the guests' values") {
  Fixture test;
  test.add('a');
  test.processes.fails = true;
  const auto report = test.collect();
  CHECK_FALSE(report->processes.success);
  CHECK(report->sandboxes.at(0).guest);
}

TEST_CASE("a caller that waits for a report when the node goes away gets an answer without one") {
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

TEST_CASE("a guest that reports more CPU than its vCPUs got is marked, and nothing of it is in the report") {
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
  vcpus(second, second);
  CHECK(test.collect()->sandboxes.at(0).guest);
  // Half of it waiting: a busy host, an honest guest.
  test.cpu_ns += 200 * second;
  vcpus(101 * second, 101 * second);
  const auto honest = test.collect();
  CHECK(honest->sandboxes.at(0).guest);
  CHECK(rejected(honest->sandboxes.at(0), DropReason::cpu_claim) == 0);
  REQUIRE(honest->sandboxes.at(0).guest->containers.size() == 1);
  CHECK(honest->sandboxes.at(0).guest->containers[0].cpu_usage_ns == test.cpu_ns);

  test.cpu_ns += 1000 * second;
  const auto distrusted = test.collect();
  const SandboxReport& sandbox = distrusted->sandboxes.at(0);
  CHECK_FALSE(sandbox.guest);
  CHECK(rejected(sandbox, DropReason::cpu_claim) == 1);
  CHECK(sandbox.suspect);
  CHECK(sandbox.processes.has_value());
}

TEST_CASE("a guest that reports more memory than its VMM has mapped is marked, and nothing of it is in the report") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;
  std::uint64_t total = gibibyte;
  guest.snapshot = [&, made = guest.snapshot](std::uint64_t request) {
    auto snapshot = made(request);
    snapshot->guest.memory_total_bytes = total;
    return snapshot;
  };
  auto& processes = test.processes.figures[id_of('a')];
  processes.cpu[Role::vmm] = {.cpu_ns = 1};
  processes.memory.vmm_mapped_bytes = 2 * gibibyte;
  CHECK(test.collect()->sandboxes.at(0).guest);
  total = 100 * gibibyte;
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest);
  CHECK(rejected(report->sandboxes[0], DropReason::memory_claim) == 1);
  CHECK(report->sandboxes[0].suspect);
}

TEST_CASE("a guest that spreads CPU time that it did not use over many containers is marked, too") {
  Fixture test;
  constexpr std::uint64_t second = 1'000'000'000;
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
  CHECK(test.collect()->sandboxes.at(0).guest);
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {101 * second, second};
  test.cpu_ns += 10 * second;
  const auto honest = test.collect();
  CHECK(honest->sandboxes.at(0).guest);
  CHECK(rejected(honest->sandboxes.at(0), DropReason::cpu_claim) == 0);

  test.cpu_ns += 50 * second;
  const auto distrusted = test.collect();
  CHECK_FALSE(distrusted->sandboxes.at(0).guest);
  CHECK(rejected(distrusted->sandboxes.at(0), DropReason::cpu_claim) == 1);
  CHECK(distrusted->sandboxes.at(0).suspect);
}

TEST_CASE("a guest that is reached by its CID is looked for by way of its VMM's process") {
  Fixture test;
  test.node->sandbox_appeared({id_of('a'), test.temporary.path(), "root/console.sock", "qemu", Reach::cid});
  CHECK(test.processes.asked_for_vmm == std::vector<SandboxId>{id_of('a')});
  const auto report = test.collect();
  CHECK_FALSE(report->sandboxes.at(0).guest);
  CHECK_FALSE(report->sandboxes.at(0).suspect);
}

namespace {

/// A socket at which nobody listens any more.
void leave_socket(const std::filesystem::path& path) {
  std::filesystem::create_directories(path.parent_path());
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("a directory that a dead sandbox left is not a sandbox until one lives in it") {
  Fixture test;
  const auto path = test.temporary.path() / "a/clh.sock";
  const SandboxPlace place{id_of('a'), path.parent_path(), "clh.sock", "cloud-hypervisor"};
  leave_socket(path);
  SECTION("nobody listens") {
    test.processes.ended.insert(id_of('a'));
    test.node->sandbox_appeared(place);
    CHECK(test.collect()->sandboxes.empty());
    CHECK(test.processes.followed.empty());
    std::filesystem::remove(path);
    const FakeGuest guest(test.loop, path);
    CHECK(test.collect()->sandboxes.size() == 1);
    CHECK(test.processes.followed == std::vector<SandboxId>{id_of('a')});
  }
  SECTION("nobody listens yet, a process of it lives") {
    test.node->sandbox_appeared(place);
    CHECK(test.collect()->sandboxes.size() == 1);
  }
  SECTION("without BPF the socket alone shows it") {
    test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), nullptr);
    test.node->sandbox_appeared(place);
    CHECK(test.collect()->sandboxes.empty());
  }
  SECTION("the directory goes in the end") {
    test.processes.ended.insert(id_of('a'));
    test.node->sandbox_appeared(place);
    test.node->sandbox_gone(id_of('a'));
    test.processes.ended.clear();
    CHECK(test.collect()->sandboxes.empty());
  }
}

TEST_CASE("what is reached by its CID is dead without a process") {
  Fixture test;
  const auto directory = test.temporary.path() / "a";
  leave_socket(directory / "qmp.sock");
  const SandboxPlace place{id_of('a'), directory, "qmp.sock", "qemu", Reach::cid};
  test.processes.ended.insert(id_of('a'));
  SECTION("the Go runtime's file of its process id names one that ended") {
    std::ofstream(directory / "pid") << "4194305\n";  // above PID_MAX_LIMIT
    if (GENERATE(false, true)) {
      test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), nullptr);
    }
  }
  SECTION("there is no such file") {}
  test.node->sandbox_appeared(place);
  CHECK(test.collect()->sandboxes.empty());
  test.processes.ended.clear();
}

TEST_CASE("without BPF nothing is known of a VMM that left no process id: it is a sandbox") {
  Fixture test;
  leave_socket(test.temporary.path() / "a/root/console.sock");
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), nullptr);
  test.node->sandbox_appeared({id_of('a'), test.temporary.path() / "a", "root/console.sock", "qemu", Reach::cid});
  CHECK(test.collect()->sandboxes.size() == 1);
}

TEST_CASE("a sandbox that dies and leaves its directory ends, and goes on when it lives again") {
  Fixture test;
  test.node = nullptr;
  GuestTiming timing;
  timing.absence_backoff_min = timing.absence_backoff_max = 5ms;
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, timing);
  test.add('a');
  const auto living = [&] {
    const auto report = test.collect();
    return std::ranges::count_if(report->sandboxes, [](const SandboxReport& sandbox) { return !sandbox.ended; });
  };
  CHECK(living() == 1);
  test.guests.clear();
  const auto path = test.temporary.path() / "a/clh.sock";
  std::filesystem::remove(path);
  leave_socket(path);
  CHECK(living() == 1);  // its processes live
  test.processes.ended.insert(id_of('a'));
  for (int scrape = 0; scrape < 10'000 && living() > 0; ++scrape) test.loop.pass(5ms);
  REQUIRE(living() == 0);
  CHECK(test.processes.forgotten == std::vector<SandboxId>{id_of('a')});
  std::filesystem::remove(path);
  const FakeGuest guest(test.loop, path);
  test.processes.ended.clear();
  CHECK(living() == 1);
}

TEST_CASE("a VMM that outlives its sandbox's directory is measured until it ends") {
  Fixture test;
  test.node = nullptr;
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, GuestTiming(),
                                     wire::default_port, 10ms);
  test.add('a');
  test.processes.no_kills = true;
  test.processes.figures[id_of('a')].cpu[Role::vmm] = {.cpu_ns = 1'000'000'000};
  test.processes.running_vmm = 4711;
  test.node->sandbox_gone(id_of('a'));
  for (int scrape = 0; scrape < 2; ++scrape) {
    const auto report = test.collect();
    REQUIRE(report->sandboxes.size() == 1);
    CHECK(report->sandboxes[0].account);
    test.loop.pass(20ms);
  }
  CHECK(test.processes.forgotten.empty());
  SECTION("it ends") {
    test.processes.running_vmm.reset();
    CHECK(test.collect()->sandboxes.at(0).ended);  // its container's OOM kill is still reported
    CHECK(test.processes.forgotten == std::vector<SandboxId>{id_of('a')});
  }
  SECTION("its directory comes back, as when a guest reboots in place") {
    test.guests.clear();
    std::filesystem::remove(test.temporary.path() / "a/clh.sock");
    test.add('a');
    const auto report = test.collect();
    REQUIRE(report->sandboxes.size() == 1);
    CHECK(report->sandboxes[0].guest);
    test.processes.running_vmm.reset();
    CHECK(test.collect()->sandboxes.size() == 1);
  }
  SECTION("nobody asks") {
    test.node->sandbox_gone(id_of('a'));
    test.processes.running_vmm.reset();
    CHECK(test.loop.until([&] { return !test.processes.forgotten.empty(); }));
  }
}

TEST_CASE("a sandbox whose id no CRI runtime made is served under it") {
  Fixture test;
  const auto path = test.temporary.path() / "a/clh.sock";
  std::filesystem::create_directories(path.parent_path());
  FakeGuest guest(test.loop, path);
  const SandboxId id = *SandboxId::from_text("foo100");
  test.processes.figures[id].cpu[Role::vmm] = {.cpu_ns = 1'000'000'000};
  guest.snapshot = [&](std::uint64_t request) {
    wire::Snapshot made{request, 1, 1, {}, {}, {}};
    made.interfaces.emplace_back().name = "eth0";
    made.interfaces.back().receive_bytes = 5;
    return made;
  };
  test.node->sandbox_appeared({id, path.parent_path(), "clh.sock", "cloud-hypervisor"});
  REQUIRE(test.loop.until([&] { return guest.received<wire::Hello>().size() == 1; }));
  test.loop.pass(5ms);
  const std::string text = rendered_text(*test.collect());
  CHECK(text.find("katameter_sandbox_vmm_found{sandbox_id=\"foo100\"} 1") != std::string::npos);
  CHECK(text.find("container_network_receive_bytes_total{id=\"/kata/foo100/foo100\",name=\"foo100\"") !=
        std::string::npos);
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

namespace {

/// Every value that a guest can send is `value`.
wire::Snapshot full_snapshot(std::uint64_t request, std::uint64_t sequence, std::uint64_t value) {
  wire::Snapshot made{request, sequence, 3600'000'000'000 + sequence, {}, {}, {}};
  wire::Container& container = made.containers.emplace_back();
  container.id = id_of('1');
  for (const wire::ContainerFigure& figure : wire::container_figures) container.*figure.value = value;
  container.start_boottime_ns = 1;
  container.block_devices = {{7, 0, value, value, value, value}};
  for (const wire::GuestFigure& figure : wire::guest_figures) made.guest.*figure.value = value;
  made.interfaces = {{"eth0", value, value, value, value, value, value, value, value}};
  return made;
}

/// The series, without those that differ between any two scrapes, and those that say that the guest is not believed.
std::set<std::string> comparable_series(const NodeReport& report) {
  std::set<std::string> series;
  std::istringstream lines(rendered_text(report));
  for (std::string line; std::getline(lines, line);) {
    const bool differs = line.starts_with("process_") || line.find("_duration_seconds") != std::string::npos ||
                         line.starts_with("katameter_guest_frames_rejected_total") ||
                         line.starts_with("katameter_guest_suspect") ||
                         line.starts_with("katameter_guest_protocol_violation");
    if (!line.starts_with('#') && !differs) series.insert(line);
  }
  return series;
}

}  // namespace

TEST_CASE("nothing that a guest sent is in the series while it is not believed, whatever fields there are") {
  Fixture test;
  constexpr std::uint64_t second = 1'000'000'000;
  FakeGuest& guest = test.add('a');
  std::uint64_t cpu_ns = 0;
  std::uint64_t value = 77'777;
  guest.snapshot = [&](std::uint64_t request) {
    wire::Snapshot made = full_snapshot(request, ++test.sequence, value);
    made.guest.cpu_usage_ns = cpu_ns;
    return made;
  };
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {second, second};
  const auto believed = test.collect();
  REQUIRE(believed->sandboxes.at(0).guest);
  CHECK(rendered_text(*believed).find("77777") != std::string::npos);

  // The same node twice: once its guest reports what it cannot have used, once it is gone.
  cpu_ns = 5000 * second;
  value = 88'888;
  const auto distrusted = test.collect();
  REQUIRE(rejected(distrusted->sandboxes.at(0), DropReason::cpu_claim) == 1);
  guest.hello.reset();  // it does not come back
  guest.close();
  test.loop.pass(5ms);
  const auto without_guest = test.collect();
  REQUIRE(rejected(without_guest->sandboxes.at(0), DropReason::cpu_claim) == 1);
  CHECK(comparable_series(*distrusted) == comparable_series(*without_guest));

  // Nor is anything of it in what the host keeps, such as OOM kills, also when the sandbox has ended.
  test.node->sandbox_gone(id_of('a'));
  const auto ended = test.collect();
  REQUIRE(ended->sandboxes.at(0).oom_kills.at(id_of('1')) == 77'777);
  for (const auto& report : {distrusted, without_guest, ended}) {
    for (const std::string& series : comparable_series(*report)) CHECK(series.find("88888") == std::string::npos);
  }
}

TEST_CASE("where a sandbox was found stays in its reports, what its guest says of itself while the sandbox is there") {
  Fixture test;
  FakeGuest& guest = test.add('a');
  const auto found = test.collect()->sandboxes.at(0);
  REQUIRE(found.place);
  CHECK(found.place->hypervisor == "cloud-hypervisor");
  REQUIRE(found.guest_info);
  CHECK(*found.guest_info == GuestInfo{"9.9.9", "5.10.0", ""});
  guest.hello.reset();
  guest.close();
  test.loop.pass(5ms);
  CHECK(test.collect()->sandboxes.at(0).guest_info);
  test.node->sandbox_gone(id_of('a'));
  const auto ended = test.collect()->sandboxes.at(0);
  CHECK(ended.place);
  CHECK_FALSE(ended.guest_info);
}

TEST_CASE("a guest that describes itself ever anew makes no more series") {
  Fixture test;
  GuestTiming impatient;
  impatient.absence_backoff_min = impatient.absence_backoff_max = 1ms;
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, impatient);
  FakeGuest& guest = test.add('a');
  constexpr int max = decltype(SandboxHistory::guest_infos)::max_values;
  for (int i = 1; i <= max; ++i) {
    CHECK(test.collect()->sandboxes.at(0).guest_info);
    guest.hello->lacks = {"feature " + std::to_string(i)};
    guest.close();
    const std::size_t hellos = guest.received<wire::Hello>().size();
    REQUIRE(test.loop.until([&] { return guest.received<wire::Hello>().size() > hellos; }));
    test.loop.pass(5ms);
  }
  CHECK_FALSE(test.collect()->sandboxes.at(0).guest_info);
}

TEST_CASE("a report has one member for what a guest's snapshots say") {
  // A member that is added to SandboxReport makes this fail to compile: what it takes from a snapshot belongs in
  // GuestView, which is left out as a whole. The others are the host's own, counted by the host, or of the Hello.
  SandboxReport report;
  report.guest.emplace().containers.emplace_back();
  auto& [id, place, names, ended, suspect, guest_info, guest, oom_kills, oom_events, by_class, rejected_by_reason,
         processes, account, host_ooms, ended_containers] = report;
  static_assert(std::is_same_v<decltype(report.guest), std::optional<GuestView>>);
  guest.reset();
  CHECK(oom_kills.empty());
  CHECK(ended_containers.empty());
  NodeReport node;
  node.sandboxes = {report};
  CHECK(rendered_text(node).find("\ncontainer_") == std::string::npos);
}

TEST_CASE("host-probe starts the counters of processes that ran before it at 0, all of them") {
  Fixture test;
  auto& figures = test.processes.figures[id_of('a')];
  figures.cpu[Role::vmm] = {1000, 30};
  figures.usage[Role::vmm] = {1, 2, 3, 4, 5};
  figures.memory.vmm_bytes = 4096;
  auto& shim = test.processes.figures[id_of('b')];  // its VMM is not known yet
  shim.cpu[Role::shim] = {70, 7};
  test.node->begin();
  test.add('a');
  test.add('b');
  test.collect();
  figures.cpu[Role::vmm] = {1600, 31};
  figures.cpu[Role::virtiofsd] = {9, 0};
  figures.usage[Role::vmm] = {11, 22, 33, 44, 55};
  shim.cpu[Role::shim] = {75, 8};
  const auto report = test.collect();
  const SandboxProcesses& found = *report->sandboxes.at(0).processes;
  CHECK(found.cpu.at(Role::vmm).cpu_ns == 600);
  CHECK(found.cpu.at(Role::vmm).run_delay_ns == 1);
  CHECK(found.cpu.at(Role::virtiofsd).cpu_ns == 9);
  const RoleUsage& usage = found.usage.at(Role::vmm);
  CHECK(std::array{usage.guest_ns, usage.minor_faults, usage.major_faults, usage.read_bytes, usage.write_bytes} ==
        std::array<std::uint64_t, 5>{10, 20, 30, 40, 50});
  CHECK(found.memory.vmm_bytes == 4096);
  CHECK(report->sandboxes.at(1).processes->cpu.at(Role::shim).cpu_ns == 5);
}
