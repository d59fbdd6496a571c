#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <utility>

#include "host-probe/node/node.h"
#include "host-probe/pods/names.h"
#include "tests/host-probe/pods/ids.h"
#include "tests/support/fake_guest.h"
#include "tests/support/loop.h"
#include "tests/support/temporary_directory.h"

// A node's reports with the names in them.

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

struct NamedByDigit : NameSource {
  LookupResult look_up(const LookupRequest& request) override {
    LookupResult answer;
    answer.running = {{pod_id, "kata", true}, {app_id, "kata-remote", true}};
    for (const auto& [id, containers] : request) {
      answer.sandboxes[id].pod = "pod-" + id.hex().substr(0, 1);
      answer.sandboxes[id].runtime_handler = "kata-" + id.hex().substr(0, 1);
      for (const ContainerId& container : containers) {
        answer.sandboxes[id].containers[container].name = "container-" + container.hex().substr(0, 1);
      }
    }
    return answer;
  }
  void cancel() override {}
};

/// The same, but does not answer before it may.
class Held : public NamedByDigit {
 public:
  explicit Held(const std::atomic<bool>& answers) : answers_(answers) {}
  LookupResult look_up(const LookupRequest& request) override {
    while (!answers_ && !cancelled_) std::this_thread::sleep_for(1ms);
    return NamedByDigit::look_up(request);
  }
  void cancel() override { cancelled_ = true; }

 private:
  const std::atomic<bool>& answers_;
  std::atomic<bool> cancelled_ = false;
};

struct Processes : ProcessSource {
  Result<std::map<SandboxId, SandboxProcesses>> collect() override {
    std::map<SandboxId, SandboxProcesses> values;
    values[pod_id].cpu[Role::vmm] = {.cpu_ns = 5};
    return values;
  }
};

struct NodeNamesFixture {
  explicit NodeNamesFixture(bool kills, std::unique_ptr<NameSource> source = std::make_unique<NamedByDigit>(),
                            ProcessSource* processes = nullptr, const NameTiming& timing = {5ms, 20ms, 20ms, 1ms}) {
    auto made = Names::create(loop.events(), loop.timers(), std::move(source), timing);
    REQUIRE(made);
    names = std::move(*made);
    node = std::make_unique<Node>(loop.events(), loop.timers(), processes, names.get());
    guest = std::make_unique<FakeGuest>(loop, temporary.path() / "clh.sock");
    guest->snapshot = [this, kills](std::uint64_t request) {
      wire::Snapshot snapshot{request, ++sequence, sequence, {}, {}, {}};
      snapshot.containers.emplace_back().id = app_id;
      if (kills) snapshot.containers.back().oom_kills = 1;
      return snapshot;
    };
    node->sandbox_appeared({pod_id, temporary.path().string(), "clh.sock", "cloud-hypervisor"});
    REQUIRE(loop.until([&] { return guest->received<wire::Hello>().size() == 1; }));
    loop.pass(5ms);
  }
  std::shared_ptr<const NodeReport> report() {
    std::shared_ptr<const NodeReport> report;
    node->collect([&](auto made) { report = std::move(made); });
    REQUIRE(loop.until([&] { return report != nullptr; }));
    return report;
  }
  SandboxReport collect() {
    const auto made = report();
    REQUIRE(made->sandboxes.size() == 1);
    return made->sandboxes[0];
  }
  bool container_named() { return names->of(pod_id) && names->of(pod_id)->containers.contains(app_id); }

  TemporaryDirectory temporary;
  Loop loop;
  std::uint64_t sequence = 0;
  std::unique_ptr<Names> names;
  std::unique_ptr<Node> node;
  std::unique_ptr<FakeGuest> guest;
};

}  // namespace

TEST_CASE("a sandbox is asked for when it appears, its containers when a report first has them") {
  NodeNamesFixture test(false);
  REQUIRE(test.loop.until([&] { return test.names->of(pod_id) != nullptr; }));
  const SandboxReport first = test.collect();
  REQUIRE(first.names);
  CHECK(first.names->pod == "pod-a");
  CHECK(first.names->containers.at(app_id).name == "container-1");
}

TEST_CASE("a container that ended before anybody saw it has its name in its first row, and in the last") {
  NodeNamesFixture test(false);
  const ContainerId job = *ContainerId::from_hex(std::string(64, '2'));
  bool first = true;
  test.guest->snapshot = [&](std::uint64_t request) {
    wire::Snapshot made{request, ++test.sequence, test.sequence, {}, {}, {}};
    if (!std::exchange(first, false)) return made;
    made.containers.emplace_back().id = job;
    made.containers.back().removed = true;
    made.containers.back().cpu_usage_ns = 1;
    return made;
  };
  for (int scrape = 0; scrape < 3; ++scrape) {
    const SandboxReport report = test.collect();
    REQUIRE(report.ended_containers.size() == 1);
    REQUIRE(report.names);
    CHECK(report.names->containers.at(job).name == "container-2");
  }
}

TEST_CASE("a runtime that does not answer in time delays one report, and no other until it does") {
  std::atomic<bool> answers = false;
  NodeNamesFixture test(false, std::make_unique<Held>(answers));
  CHECK_FALSE(test.collect().names);
  for (int scrape = 0; scrape < 3; ++scrape) {
    CHECK_FALSE(test.names->answers_within(Node::names_deadline));
    CHECK_FALSE(test.collect().names);
  }
  answers = true;
  REQUIRE(test.loop.until([&] { return test.container_named(); }));
  CHECK_FALSE(test.names->answers_within(Node::names_deadline));
  CHECK(test.collect().names->containers.at(app_id).name == "container-1");
}

TEST_CASE("a container that the runtime does not list although it has its pod has no series, and keeps having none") {
  struct Incomplete : NamedByDigit {
    LookupResult look_up(const LookupRequest& request) override {
      LookupResult answer = NamedByDigit::look_up(request);
      for (auto& [id, names] : answer.sandboxes) names.containers.erase(app_id);
      return answer;
    }
  };
  NameTiming timing;
  timing.first = timing.max = 1ms;
  NodeNamesFixture test(false, std::make_unique<Incomplete>(), nullptr, timing);
  const auto has_series = [&] {
    const SandboxReport report = test.collect();
    REQUIRE(report.guest);
    return !report.guest->containers.empty();
  };
  CHECK(has_series());
  bool folded = false;
  for (int scrape = 0; scrape < 1000 && !folded; ++scrape) {
    test.loop.pass(2ms);
    folded = !has_series();
  }
  REQUIRE(folded);
  for (int scrape = 0; scrape < 5; ++scrape) {
    const SandboxReport report = test.collect();
    REQUIRE(report.guest);
    CHECK(report.guest->containers.empty());
    CHECK(report.guest->guest_wide.unattributed_containers == 1u);
  }
}

TEST_CASE("CPU time of a sandbox counts for its runtime handler once that is known, and once only") {
  std::atomic<bool> answers = false;
  Processes processes;
  NodeNamesFixture test(false, std::make_unique<Held>(answers), &processes);
  CHECK(test.report()->cpu_by_handler.empty());
  answers = true;
  REQUIRE(test.loop.until([&] { return test.names->of(pod_id) != nullptr; }));
  constexpr auto vmm = static_cast<std::size_t>(CpuComponent::vmm);
  for (int scrape = 0; scrape < 2; ++scrape) {
    const auto report = test.report();
    REQUIRE(report->cpu_by_handler.size() == 1);
    CHECK(report->cpu_by_handler.at("kata-a")[vmm] == 5);
  }
}

TEST_CASE("names stay as long as a sandbox that has ended is still reported") {
  NodeNamesFixture test(true);
  static_cast<void>(test.collect());
  REQUIRE(test.loop.until([&] { return test.container_named(); }));
  test.node->sandbox_gone(pod_id);
  const SandboxReport after = test.collect();
  CHECK(after.ended);
  CHECK(after.oom_kills.at(app_id) == 1);
  REQUIRE(after.names);
  CHECK(after.names->pod == "pod-a");
  CHECK(after.names->containers.at(app_id).name == "container-1");
}

TEST_CASE("the names of a sandbox of which nothing is left to report are forgotten") {
  NodeNamesFixture test(false);
  test.guest->snapshot = [&](std::uint64_t request) {
    return wire::Snapshot{request, ++test.sequence, test.sequence, {}, {}, {}};
  };
  static_cast<void>(test.collect());
  REQUIRE(test.loop.until([&] { return test.names->of(pod_id) != nullptr; }));
  test.node->sandbox_gone(pod_id);
  std::shared_ptr<const NodeReport> report;
  test.node->collect([&](auto made) { report = std::move(made); });
  REQUIRE(test.loop.until([&] { return report != nullptr; }));
  CHECK(report->sandboxes.empty());
  CHECK(test.names->of(pod_id) == nullptr);
}

TEST_CASE("a report says how many Kata pods the runtime has, and how many were found") {
  NodeNamesFixture test(false);
  REQUIRE(test.loop.until([&] { return test.names->of(pod_id) != nullptr; }));
  CHECK(test.report()->kata_pods == KataPods{2, 1});
}
