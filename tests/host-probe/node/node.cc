#include "host-probe/node/node.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <type_traits>

#include "tests/host-probe/node/fixture.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

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
  vcpus(second_ns, second_ns);
  CHECK(test.collect()->sandboxes.at(0).guest);
  // Half of it waiting: a busy host, an honest guest.
  test.cpu_ns += 200 * second_ns;
  vcpus(101 * second_ns, 101 * second_ns);
  const auto honest = test.collect();
  CHECK(honest->sandboxes.at(0).guest);
  CHECK(rejected(honest->sandboxes.at(0), DropReason::cpu_claim) == 0);
  REQUIRE(honest->sandboxes.at(0).guest->containers.size() == 1);
  CHECK(honest->sandboxes.at(0).guest->containers[0].cpu_usage_ns == test.cpu_ns);

  test.cpu_ns += 1000 * second_ns;
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
  FakeGuest& guest = test.add('a');
  guest.snapshot = [&test](std::uint64_t request) {
    wire::Snapshot made{request, ++test.sequence, 3600 * second_ns + test.sequence, {}, {}, {}};
    for (const char digit : std::string("0123456789")) {
      wire::Container& container = made.containers.emplace_back();
      container.id = id_of(digit);
      container.cpu_usage_ns = test.cpu_ns;
    }
    return made;
  };
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {second_ns, second_ns};
  CHECK(test.collect()->sandboxes.at(0).guest);
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {101 * second_ns, second_ns};
  test.cpu_ns += 10 * second_ns;
  const auto honest = test.collect();
  CHECK(honest->sandboxes.at(0).guest);
  CHECK(rejected(honest->sandboxes.at(0), DropReason::cpu_claim) == 0);

  test.cpu_ns += 50 * second_ns;
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
  made.volumes = {{"/cache", value, value, value, value}};
  wire::Disk& disk = made.disks.emplace_back();
  disk.major = 7;
  for (const wire::DiskFigure& figure : wire::disk_figures) disk.*figure.value = value;
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
  FakeGuest& guest = test.add('a');
  std::uint64_t cpu_ns = 0;
  std::uint64_t value = 77'777;
  guest.snapshot = [&](std::uint64_t request) {
    wire::Snapshot made = full_snapshot(request, ++test.sequence, value);
    made.guest.cpu_usage_ns = cpu_ns;
    return made;
  };
  test.processes.figures[id_of('a')].cpu[Role::vcpu] = {second_ns, second_ns};
  const auto believed = test.collect();
  REQUIRE(believed->sandboxes.at(0).guest);
  CHECK(rendered_text(*believed).find("77777") != std::string::npos);

  // The same node twice: once its guest reports what it cannot have used, once it is gone.
  cpu_ns = 5000 * second_ns;
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
  auto& [id, place, names, ended, suspect, guest_info, guest, layers, oom_kills, oom_events, by_class,
         rejected_by_reason, processes, account, host_ooms, ended_containers] = report;
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
