// Sandboxes that have ended, and containers: what of them is still reported, and what the node's totals have of them.
#include <fmt/format.h>

#include "host-probe/own_metrics/own_metrics.h"
#include "tests/host-probe/node/fixture.h"
#include "tests/support/exposition_text.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

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

TEST_CASE("however many sandboxes end without a scrape, the node's totals lose none") {
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
