#include "host-probe/pods/names.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

#include "tests/host-probe/pods/ids.h"
#include "tests/support/loop.h"

using namespace katameter;
using namespace katameter::host;
using namespace std::chrono_literals;

namespace {

// A runtime that answers when the test lets it, or never.
struct FakeSource : NameSource {
  struct Shared {
    std::atomic<int> questions = 0;
    std::atomic<bool> answers = true;
    std::atomic<bool> fails = false;
    std::promise<void> cancelled;
  };
  explicit FakeSource(Shared& state) : shared(state) {}
  LookupResult look_up(const LookupRequest& request) override {
    ++shared.questions;
    if (!shared.answers) shared.cancelled.get_future().wait();
    LookupResult answer;
    if (shared.fails) {
      answer.error = Error{0, "no runtime today"};
      return answer;
    }
    for (const auto& [id, containers] : request) {
      answer.sandboxes[id].pod = "web-0";
      for (const ContainerId& container : containers) answer.sandboxes[id].containers[container].name = "app";
    }
    return answer;
  }
  void cancel() override { shared.cancelled.set_value(); }

  Shared& shared;
};

struct NamesFixture {
  NamesFixture() {
    auto made = Names::create(loop.events(), loop.timers(), std::make_unique<FakeSource>(state),
                              NameTiming{5ms, 20ms, 20ms, 1ms});
    REQUIRE(made);
    names = std::move(*made);
  }
  bool named() { return names->of(pod_id) != nullptr; }

  katameter::host::testing::Loop loop;
  FakeSource::Shared state;
  std::unique_ptr<Names> names;
};

}  // namespace

TEST_CASE("names are asked for when a sandbox or a container appears, and then no more") {
  NamesFixture test;
  test.loop.pass(30ms);
  CHECK(test.state.questions == 0);
  test.names->sandbox_appeared(pod_id);
  CHECK_FALSE(test.named());
  REQUIRE(test.loop.until([&] { return test.named(); }));
  CHECK(test.names->of(pod_id)->pod == "web-0");
  test.names->containers_seen(pod_id, {app_id});
  REQUIRE(test.loop.until([&] { return test.names->of(pod_id)->containers.contains(app_id); }));
  test.names->containers_seen(pod_id, {app_id});
  test.loop.pass(50ms);
  CHECK(test.state.questions == 2);
  test.names->forget(pod_id);
  CHECK_FALSE(test.named());
}

TEST_CASE("another runtime is asked at once for what is missing, though the one before has not answered") {
  FakeSource::Shared other;  // outlives the names
  NamesFixture test;
  test.state.answers = false;
  test.names->sandbox_appeared(pod_id);
  REQUIRE(test.loop.until([&] { return test.state.questions == 1; }));
  REQUIRE(test.names->set_source(std::make_unique<FakeSource>(other)));
  REQUIRE(test.loop.until([&] { return test.named(); }));
  CHECK(other.questions == 1);
}

TEST_CASE("a runtime that comes late is found") {
  NamesFixture test;
  test.state.fails = true;
  test.names->sandbox_appeared(pod_id);
  REQUIRE(test.loop.until([&] { return test.state.questions >= 3; }));
  CHECK_FALSE(test.named());
  test.state.fails = false;
  CHECK(test.loop.until([&] { return test.named(); }));
}

TEST_CASE("a runtime that hangs holds up neither the loop nor the end") {
  NamesFixture test;
  test.state.answers = false;
  test.names->sandbox_appeared(pod_id);
  REQUIRE(test.loop.until([&] { return test.state.questions == 1; }));
  const auto before = std::chrono::steady_clock::now();
  test.names->containers_seen(pod_id, {app_id});
  test.names->forget(pod_id);
  test.names->sandbox_appeared(pod_id);
  CHECK_FALSE(test.named());
  CHECK(std::chrono::steady_clock::now() - before < 1s);
  CHECK(test.state.questions == 1);
  test.names.reset();  // would not return if nobody cancelled
}
