#include <catch2/catch.hpp>
#include <memory>

#include "host-probe/node/node.h"
#include "host-probe/pods/names.h"
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

const ContainerId sandbox = *ContainerId::from_hex(std::string(64, 'a'));
const ContainerId app = *ContainerId::from_hex(std::string(64, '1'));

struct NamedByDigit : NameSource {
  LookupResult look_up(const LookupRequest& request) override {
    LookupResult answer;
    answer.running = {{sandbox, "kata", true}, {app, "kata-remote", true}};
    for (const auto& [id, containers] : request) {
      answer.sandboxes[id].pod = "pod-" + id.hex().substr(0, 1);
      for (const ContainerId& container : containers) {
        answer.sandboxes[id].containers[container].name = "container-" + container.hex().substr(0, 1);
      }
    }
    return answer;
  }
  void cancel() override {}
};

struct Fixture {
  explicit Fixture(bool kills) {
    auto made =
        Names::create(loop.events(), loop.timers(), std::make_unique<NamedByDigit>(), NameTiming{5ms, 20ms, 20ms, 1ms});
    REQUIRE(made);
    names = std::move(*made);
    node = std::make_unique<Node>(loop.events(), loop.timers(), nullptr, names.get());
    guest = std::make_unique<FakeGuest>(loop, temporary.path() / "clh.sock");
    guest->snapshot = [this, kills](std::uint64_t request) {
      wire::Snapshot snapshot{request, ++sequence, sequence, {}, {}, {}};
      snapshot.containers.emplace_back().id = app;
      if (kills) snapshot.containers.back().oom_kills = 1;
      return snapshot;
    };
    node->sandbox_appeared({sandbox, temporary.path().string(), "clh.sock", "cloud-hypervisor"});
    REQUIRE(loop.until([&] { return guest->received<wire::Hello>().size() == 1; }));
    loop.pass(5ms);
  }
  std::shared_ptr<const NodeReport> collect_all() {
    std::shared_ptr<const NodeReport> report;
    node->collect([&](auto made) { report = std::move(made); });
    REQUIRE(loop.until([&] { return report != nullptr; }));
    return report;
  }
  SandboxReport collect() {
    const auto report = collect_all();
    REQUIRE(report->sandboxes.size() == 1);
    return report->sandboxes[0];
  }
  bool container_named() { return names->of(sandbox) && names->of(sandbox)->containers.contains(app); }

  TemporaryDirectory temporary;
  Loop loop;
  std::uint64_t sequence = 0;
  std::unique_ptr<Names> names;
  std::unique_ptr<Node> node;
  std::unique_ptr<FakeGuest> guest;
};

}  // namespace

TEST_CASE("a sandbox is asked for when it appears, its containers when a report first has them") {
  Fixture test(false);
  REQUIRE(test.loop.until([&] { return test.names->of(sandbox) != nullptr; }));
  const SandboxReport first = test.collect();
  REQUIRE(first.names);
  CHECK(first.names->pod == "pod-a");
  CHECK(first.names->containers.empty());
  REQUIRE(test.loop.until([&] { return test.container_named(); }));
  CHECK(test.collect().names->containers.at(app).name == "container-1");
  CHECK(first.names->containers.empty());
}

TEST_CASE("names stay as long as a sandbox that has ended is still reported") {
  Fixture test(true);
  static_cast<void>(test.collect());
  REQUIRE(test.loop.until([&] { return test.container_named(); }));
  test.node->sandbox_gone(sandbox);
  const SandboxReport after = test.collect();
  CHECK(after.ended);
  CHECK(after.oom_kills.at(app) == 1);
  REQUIRE(after.names);
  CHECK(after.names->pod == "pod-a");
  CHECK(after.names->containers.at(app).name == "container-1");
}

TEST_CASE("the names of a sandbox of which nothing is left to report are forgotten") {
  Fixture test(false);
  static_cast<void>(test.collect());
  REQUIRE(test.loop.until([&] { return test.container_named(); }));
  test.node->sandbox_gone(sandbox);
  std::shared_ptr<const NodeReport> report;
  test.node->collect([&](auto made) { report = std::move(made); });
  REQUIRE(test.loop.until([&] { return report != nullptr; }));
  CHECK(report->sandboxes.empty());
  CHECK(test.names->of(sandbox) == nullptr);
}

TEST_CASE("a report says how many Kata pods the runtime has, and how many were found") {
  Fixture test(false);
  REQUIRE(test.loop.until([&] { return test.names->of(sandbox) != nullptr; }));
  CHECK(test.collect_all()->kata_pods == KataPods{2, 1});
}
