#include "host-probe/node/runtime_view.h"

#include <catch2/catch.hpp>

#include "tests/host-probe/node/fixture.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

ContainerStats stats_of(char digit, std::uint64_t cpu_ns) {
  ContainerStats stats{};
  stats.id = id_of(digit);
  stats.cpu_ns = cpu_ns;
  stats.usage_bytes = 4096;
  stats.working_set_bytes = 1024;
  return stats;
}

}  // namespace

TEST_CASE("what the runtime does not say of a container is absent, and so is all of the guest as a whole") {
  ContainerStats stats = stats_of('1', 7);
  stats.rss_bytes = 0;  // of an agent whose cgroups the shim does not understand
  const auto made = RuntimeView().update({stats}, 12);
  REQUIRE(made);
  const GuestView& view = *made;
  CHECK(view.source == GuestSource::runtime);
  CHECK(view.age_seconds == 12);
  REQUIRE(view.containers.size() == 1);
  wire::Container container = view.containers[0];
  CHECK(container.cpu_usage_ns == 7u);
  CHECK(container.memory_usage_bytes == 4096u);
  CHECK(container.memory_working_set_bytes == 1024u);
  container.cpu_usage_ns = container.memory_usage_bytes = container.memory_working_set_bytes = std::nullopt;
  for (const wire::ContainerFigure& figure : wire::container_figures) {
    INFO(figure.name);
    CHECK_FALSE(container.*figure.value);
  }
  for (const wire::GuestFigure& figure : wire::guest_figures) {
    INFO(figure.name);
    CHECK_FALSE(view.guest_wide.*figure.value);
  }
}

TEST_CASE("no counter of a container falls, whatever the runtime says") {
  RuntimeView view;
  REQUIRE(view.update({stats_of('1', 7)}, 0));
  ContainerStats less = stats_of('1', 5);
  less.usage_bytes = 1;
  CHECK(view.update({less}, 0).value().containers[0].cpu_usage_ns == 7u);
  CHECK(view.living()[0].memory_usage_bytes == 1u);
  less.cpu_ns = std::nullopt;
  CHECK(view.update({less}, 0).value().containers[0].cpu_usage_ns == 7u);
  CHECK(view.update({stats_of('1', 9)}, 0).value().containers[0].cpu_usage_ns == 9u);
}

TEST_CASE("a container that the runtime has no more has ended, once") {
  RuntimeView view;
  REQUIRE(view.update({stats_of('1', 7), stats_of('2', 8)}, 0));
  CHECK(view.take_ended().empty());
  REQUIRE(view.update({stats_of('2', 9), stats_of('3', 1)}, 0));
  const auto ended = view.take_ended();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].id == id_of('1'));
  CHECK(ended[0].cpu_usage_ns == 7u);
  CHECK(view.take_ended().empty());
}

TEST_CASE("a container that the runtime lists for the first time has started") {
  RuntimeView view;
  CHECK(view.update({stats_of('1', 7)}, 0));
  CHECK(view.take_started());
  CHECK_FALSE(view.take_started());
  CHECK(view.update({stats_of('1', 8)}, 0));
  CHECK_FALSE(view.take_started());
  CHECK(view.update({stats_of('2', 1)}, 0));
  CHECK(view.take_started());
  CHECK(view.update({}, 0));
  CHECK_FALSE(view.take_started());
}

namespace {

/// A view with a slack of two seconds, at one report after the other.
struct Checked {
  // The vCPUs have got `given_ns` by then, and the statistics are `age_seconds` old.
  std::optional<DropReason> broken(std::chrono::seconds at, std::optional<std::uint64_t> given_ns,
                                   const std::vector<ContainerStats>& stats, std::int64_t age_seconds = 0) {
    const RuntimeView::Time now(1h + at);
    view.set_host(given_ns, mapped, now);
    const auto made = view.update(stats, age_seconds, now);
    return made ? std::nullopt : std::optional(made.error().reason);
  }
  RuntimeView view;
  std::uint64_t mapped = std::uint64_t{1} << 30;
};

}  // namespace

TEST_CASE("containers that report more CPU time than the vCPUs got are refused, one or all together") {
  Checked test;
  const std::uint64_t before = 1000 * second_ns;  // of their lives before host-probe
  const auto both = [&](std::uint64_t of_each) {
    return std::vector{stats_of('1', before + of_each), stats_of('2', before + of_each)};
  };
  CHECK_FALSE(test.broken(0s, 5000 * second_ns, both(0)));
  CHECK_FALSE(test.broken(30s, 5020 * second_ns, both(10 * second_ns)));
  CHECK_FALSE(test.broken(60s, 5040 * second_ns, both(20 * second_ns)));
  // By a tenth and the slack.
  CHECK_FALSE(test.broken(90s, 5060 * second_ns, both(44 * second_ns)));
  CHECK(test.broken(120s, 5061 * second_ns, both(45 * second_ns)) == DropReason::cpu_claim);
  // What was refused has left nothing behind.
  CHECK(test.view.living()[0].cpu_usage_ns == before + 44 * second_ns);
  // Where what they got is not known, nothing is compared.
  CHECK_FALSE(test.broken(150s, std::nullopt, both(45 * second_ns)));
  Checked unknown;
  CHECK_FALSE(unknown.broken(0s, std::nullopt, both(0)));
  CHECK_FALSE(unknown.broken(30s, std::nullopt, both(500 * second_ns)));
}

TEST_CASE("statistics that are older than what is known of the vCPUs are no beginning") {
  Checked test;
  // The sandbox's first report, with statistics of half a minute ago; it had used 20 s by then, and 50 s by now.
  CHECK_FALSE(test.broken(0s, 50 * second_ns, {stats_of('1', 20 * second_ns)}, 30));
  CHECK_FALSE(test.broken(30s, 51 * second_ns, {stats_of('1', 51 * second_ns)}, 1));
  CHECK_FALSE(test.broken(60s, 81 * second_ns, {stats_of('1', 81 * second_ns)}, 0));
  CHECK(test.broken(90s, 82 * second_ns, {stats_of('1', 150 * second_ns)}, 0) == DropReason::cpu_claim);
}

TEST_CASE("a container that the runtime did not list for a while is not a lie") {
  Checked test;
  CHECK_FALSE(test.broken(0s, 5000 * second_ns, {stats_of('1', 0)}));
  CHECK_FALSE(test.broken(2s, 5000 * second_ns, {stats_of('1', 0)}));
  CHECK_FALSE(test.broken(30s, 5001 * second_ns, {stats_of('1', 0), stats_of('2', 3000 * second_ns)}));
  for (int i = 1; i < 10; ++i) {
    CHECK_FALSE(test.broken(i * 60s, (5001 + static_cast<std::uint64_t>(i)) * second_ns, {stats_of('1', 0)}));
  }
  CHECK_FALSE(test.broken(600s, 5011 * second_ns, {stats_of('1', 0), stats_of('2', 3005 * second_ns)}));
}

TEST_CASE("containers that report more memory than the VMM has mapped, or what cannot be, are refused") {
  Checked test;
  ContainerStats large = stats_of('1', 1);
  large.usage_bytes = test.mapped + test.mapped / 8;
  CHECK_FALSE(test.broken(0s, std::nullopt, {large}));
  large.usage_bytes = *large.usage_bytes + (std::uint64_t{65} << 20);
  CHECK(test.broken(30s, std::nullopt, {large}) == DropReason::memory_claim);
  large.usage_bytes = test.mapped / 2 + (std::uint64_t{200} << 20);
  ContainerStats other = large;
  other.id = id_of('2');
  CHECK(test.broken(60s, std::nullopt, {large, other}) == DropReason::memory_claim);
  test.mapped = 0;  // not known
  CHECK_FALSE(test.broken(90s, std::nullopt, {large, other}));
  large.usage_bytes = UINT64_MAX;
  CHECK(test.broken(120s, std::nullopt, {large}) == DropReason::out_of_range);
  CHECK(test.broken(150s, std::nullopt, {stats_of('1', UINT64_MAX)}) == DropReason::out_of_range);
}

namespace {

struct TableOfStats : StatsSource {
  explicit TableOfStats(StatsBySandbox stats) : table(std::move(stats)) {}
  Answer look_up(const Request& /*all*/) override { return table; }
  void cancel() override {}
  StatsBySandbox table;
};

struct StockFixture : Fixture {
  StockFixture() {
    set({stats_of('1', 7'000'000'000)});
    GuestTiming impatient;
    impatient.absence_backoff_min = impatient.absence_backoff_max = 10ms;
    node = std::make_unique<Node>(loop.events(), loop.timers(), &processes, nullptr, impatient, wire::default_port,
                                  Node::time_to_end, stats.get());
  }
  void set(const std::vector<ContainerStats>& containers) {
    auto source = std::make_unique<TableOfStats>(StatsBySandbox{{id_of('a'), containers}});
    if (stats) {
      REQUIRE(stats->set_source(std::move(source)));
      return;
    }
    auto made = PodStats::create(loop.events(), std::move(source), {1ms, 1h});
    REQUIRE(made);
    stats = std::move(*made);
  }
  /// A sandbox in whose guest nobody listens.
  void add_stock() {
    const auto directory = temporary.path() / "a";
    std::filesystem::create_directories(directory);
    guests.push_back(std::make_unique<FakeGuest>(loop, directory / "clh.sock"));
    guests.back()->closes_at_connect = true;
    guests.back()->snapshot = [this](std::uint64_t request) {
      wire::Snapshot made{request, ++sequence, sequence, {}, {}, {}};
      made.containers.emplace_back().id = id_of('1');
      made.containers.back().cpu_usage_ns = 75;
      made.containers.back().memory_limit_bytes = 8192;
      return made;
    };
    node->sandbox_appeared({id_of('a'), directory.string(), "clh.sock", "cloud-hypervisor"});
  }
  /// The sandbox of the first report in which it is as it should be.
  SandboxReport sandbox_when(const std::function<bool(const SandboxReport&)>& is_right) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (true) {
      const auto report = collect();
      if (report->sandboxes.size() == 1 && is_right(report->sandboxes[0])) return report->sandboxes[0];
      REQUIRE(std::chrono::steady_clock::now() < end);
      loop.pass(5ms);
    }
  }
  SandboxReport sandbox_with(GuestSource source) {
    return sandbox_when([&](const SandboxReport& of) { return of.guest && of.guest->source == source; });
  }

  std::unique_ptr<PodStats> stats;
};

const Series of_app{{"id", "/kata/" + id_of('a').hex() + "/" + id_of('1').hex()},
                    {"name", id_of('1').hex()},
                    {"image", ""},
                    {"namespace", ""},
                    {"pod", ""},
                    {"container", ""}};
const Series of_sandbox{{"sandbox_id", id_of('a').hex()}};

NodeReport report_with(const SandboxReport& sandbox) {
  NodeReport report;
  report.sandboxes = {sandbox};
  return report;
}

}  // namespace

TEST_CASE("a stock guest's containers have what the runtime says, and no more") {
  StockFixture test;
  test.add_stock();
  ContainerStats with_layer = stats_of('1', 7'000'000'000);
  with_layer.layer_bytes = 512;
  with_layer.layer_inodes = 3;
  test.set({with_layer});
  const Rendered rendered(report_with(test.sandbox_with(GuestSource::runtime)));
  CHECK(rendered.value("container_cpu_usage_seconds_total", with(of_app, "cpu", "total")) == 7.0);
  CHECK(rendered.value("container_memory_working_set_bytes", of_app) == 1024.0);
  CHECK(rendered.value("container_fs_usage_bytes", of_app) == 512.0);
  CHECK(rendered.value("katameter_container_fs_inodes_used", of_app) == 3.0);
  CHECK(rendered.value("katameter_guest_source", with(of_sandbox, "source", "runtime")) == 1.0);
  CHECK(rendered.value("katameter_guest_probe_up", of_sandbox) == 0.0);
  for (const char* unknown : {"container_memory_rss", "container_oom_events_total", "container_spec_memory_limit_bytes",
                              "katameter_guest_memory_bytes"}) {
    INFO(unknown);
    const auto* family = rendered.family(unknown);
    CHECK((family == nullptr || family->metric.empty()));
  }
}

TEST_CASE("a guest that gets its guest-probe later goes on from what the runtime said, and never back") {
  StockFixture test;
  test.add_stock();
  test.set({stats_of('1', 70)});
  const SandboxReport before = test.sandbox_with(GuestSource::runtime);
  test.guests[0]->closes_at_connect = false;
  const SandboxReport after = test.sandbox_with(GuestSource::guest_probe);
  REQUIRE(after.guest->containers.size() == 1);
  CHECK(*after.guest->containers[0].cpu_usage_ns >= *before.guest->containers[0].cpu_usage_ns);
  CHECK(after.ended_containers.empty());
  const Rendered rendered(report_with(after));
  CHECK(rendered.family("container_cpu_usage_seconds_total")->metric.size() == 1);
  CHECK(rendered.value("container_spec_memory_limit_bytes", of_app) == 8192.0);
  CHECK(rendered.value("katameter_guest_source", with(of_sandbox, "source", "guest-probe")) == 1.0);
  // Without an answer it has no values: the runtime's would not fit together with those.
  test.guests[0]->snapshot = nullptr;
  test.guests[0]->closes_at_connect = true;
  test.guests[0]->close();
  test.sandbox_when([](const SandboxReport& of) { return !of.guest; });
  for (int i = 0; i < 3; ++i) CHECK_FALSE(test.collect()->sandboxes.at(0).guest);
}

TEST_CASE("a stock guest's container that ended has its counters a while longer, the sandbox's end included") {
  StockFixture test;
  test.add_stock();
  test.sandbox_with(GuestSource::runtime);
  test.set({});
  const Rendered rendered(
      report_with(test.sandbox_when([](const SandboxReport& of) { return !of.ended_containers.empty(); })));
  CHECK(rendered.value("container_cpu_usage_seconds_total", with(of_app, "cpu", "total")) == 7.0);
  CHECK_FALSE(rendered.value("container_memory_usage_bytes", of_app));
  test.set({stats_of('1', 9'000'000'000)});
  test.sandbox_when([](const SandboxReport& of) { return of.ended_containers.empty(); });
  test.node->sandbox_gone(id_of('a'));
  test.processes.ended.insert(id_of('a'));
  test.sandbox_when([](const SandboxReport& of) { return of.ended && of.ended_containers.size() == 1; });
}

TEST_CASE("a stock guest that says what cannot be has no containers, and the sandbox says why") {
  StockFixture test;
  test.add_stock();
  test.sandbox_with(GuestSource::runtime);
  test.set({stats_of('1', UINT64_MAX)});
  const SandboxReport lied = test.sandbox_when([](const SandboxReport& of) { return !of.guest; });
  CHECK(lied.rejected[static_cast<std::size_t>(DropReason::out_of_range)] >= 1);
  CHECK(lied.suspect);
  test.set({stats_of('1', 8'000'000'000)});
  const SandboxReport after = test.sandbox_with(GuestSource::runtime);
  CHECK(after.guest->containers.at(0).cpu_usage_ns == 8'000'000'000u);
  CHECK(after.ended_containers.empty());
}
