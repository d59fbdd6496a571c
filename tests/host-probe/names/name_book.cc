#include "host-probe/names/name_book.h"

#include <catch2/catch.hpp>

#include "tests/host-probe/support/containers.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::id_of;
using namespace std::chrono_literals;

namespace {

const ContainerId sandbox = id_of('a');
const ContainerId other = id_of('b');
const ContainerId app = id_of('1');
const ContainerId sidecar = id_of('2');
const ContainerId made_up = id_of('f');

SandboxNames pod(const std::string& name, const std::map<ContainerId, std::string>& containers = {}) {
  SandboxNames names;
  names.pod = name;
  names.pod_namespace = "default";
  names.runtime_handler = "kata";
  for (const auto& [id, container] : containers) names.containers[id] = {container, "image"};
  return names;
}

struct Fixture {
  /// Asks, and lets the runtime answer with this.
  NameQuestion exchange(const NamesBySandbox& found, bool trouble = false) {
    const NameQuestion question = book.ask();
    book.answered({found, trouble ? std::optional(Error{0, "no runtime"}) : std::nullopt}, now);
    return question;
  }
  std::string container(const ContainerId& id) const {
    const auto names = book.names(sandbox);
    return names && names->containers.contains(id) ? names->containers.at(id).name : "";
  }
  /// In how long there is something to ask, from now on.
  std::optional<std::chrono::milliseconds> wait() const {
    const auto due = book.due();
    if (!due) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(*due - now, NameBook::Time::duration::zero()));
  }

  NameBook book{NameTiming{1s, 8s, 5}};
  NameBook::Time now{1h};
};

}  // namespace

TEST_CASE("nothing is asked while nothing is missing") {
  Fixture test;
  CHECK_FALSE(test.book.due());
  test.book.sandbox_appeared(sandbox);
  CHECK(test.wait() == 0ms);
  test.exchange({{sandbox, pod("web")}});
  CHECK_FALSE(test.book.due());
  test.book.containers_seen(sandbox, {});
  CHECK_FALSE(test.book.due());
  CHECK(test.book.names(sandbox)->pod == "web");
  CHECK(test.book.names(sandbox)->runtime_handler == "kata");
}

TEST_CASE("one question holds all that is missing, and only one is open") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  test.book.sandbox_appeared(other);
  test.book.containers_seen(sandbox, {app, sidecar});
  const NameQuestion question = test.book.ask();
  CHECK(question == NameQuestion{{sandbox, {app, sidecar}}, {other, {}}});
  test.book.containers_seen(other, {made_up});
  CHECK_FALSE(test.book.due());
  test.book.answered({{{sandbox, pod("web", {{app, "app"}, {sidecar, "sidecar"}})}, {other, pod("db")}}, {}}, test.now);
  CHECK(test.container(app) == "app");
  CHECK(test.container(sidecar) == "sidecar");
  // What came while the question was open is the next one.
  CHECK(test.wait() == 1s);
  CHECK(test.exchange({}) == NameQuestion{{other, {made_up}}});
}

TEST_CASE("a container that the runtime listed before the guest did is not looked up") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  test.exchange({{sandbox, pod("web", {{app, "app"}})}});
  test.book.containers_seen(sandbox, {app});
  CHECK_FALSE(test.book.due());
  CHECK(test.container(app) == "app");
}

TEST_CASE("the pause container is the sandbox and needs no name of its own") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  test.book.containers_seen(sandbox, {sandbox});
  CHECK(test.exchange({{sandbox, pod("web", {{sandbox, "pause"}})}}) == NameQuestion{{sandbox, {}}});
  CHECK_FALSE(test.book.due());
  CHECK(test.book.names(sandbox)->containers.empty());
}

TEST_CASE("what the runtime does not list is asked for again, less and less often, and then not any more") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  std::vector<std::chrono::milliseconds> waits;
  while (const auto wait = test.wait()) {
    test.now += *wait;
    waits.push_back(*wait);
    REQUIRE(waits.size() < 10);
    test.exchange({});
  }
  CHECK(waits == std::vector<std::chrono::milliseconds>{0s, 1s, 2s, 4s, 8s});
  // It is still in the next question that is asked for the sake of another.
  test.book.sandbox_appeared(other);
  CHECK(test.wait() == 0ms);
  test.exchange({{sandbox, pod("web")}, {other, pod("db")}});
  CHECK(test.book.names(sandbox)->pod == "web");
}

TEST_CASE("a guest that makes up containers has the runtime asked no oftener than the longest wait") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  test.exchange({{sandbox, pod("web")}});
  int questions = 0;
  for (int scrape = 0; scrape < 1000; ++scrape) {
    std::string hex = std::to_string(scrape);
    hex.insert(0, 64 - hex.size(), '0');
    test.book.containers_seen(sandbox, {*ContainerId::from_hex(hex)});
    if (test.wait() == 0ms) {
      ++questions;
      test.exchange({{sandbox, pod("web")}});
    }
    test.now += 1s;
  }
  CHECK(questions >= 1000 / 8);
  CHECK(questions <= 1000 / 8 + 5);
  CHECK(test.book.names(sandbox)->containers.empty());
}

TEST_CASE("a runtime that does not answer is asked until it does") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto wait = test.wait();
    REQUIRE(wait);
    CHECK(*wait <= 8s);
    if (attempt > 4) CHECK(*wait == 8s);
    test.now += *wait;
    test.exchange({}, true);
  }
  CHECK(test.book.names(sandbox) == nullptr);
  test.now += 8s;
  test.exchange({{sandbox, pod("web")}});
  CHECK(test.book.names(sandbox)->pod == "web");
  CHECK_FALSE(test.book.due());
}

TEST_CASE("a new sandbox does not have a dead runtime asked before its time") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  for (int attempt = 0; attempt < 4; ++attempt) {
    test.now += *test.wait();
    test.exchange({}, true);
  }
  test.book.sandbox_appeared(other);
  CHECK(test.wait() == 8s);
}

TEST_CASE("a container's name stays while its guest reports it, and no longer than the runtime lists it else") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  test.book.containers_seen(sandbox, {app});
  test.exchange({{sandbox, pod("web", {{app, "app"}})}});
  test.book.containers_seen(sandbox, {app, sidecar});
  test.exchange({{sandbox, pod("web", {{sidecar, "sidecar"}})}});
  CHECK(test.container(app) == "app");
  CHECK(test.container(sidecar) == "sidecar");
  const ContainerId third = id_of('3');
  test.book.containers_seen(sandbox, {sidecar, third});
  test.exchange({{sandbox, pod("web", {{third, "third"}})}});
  CHECK(test.container(app).empty());
  CHECK(test.container(sidecar) == "sidecar");
}

TEST_CASE("a container that goes unnamed is not asked for any more") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  test.exchange({{sandbox, pod("web")}});
  test.book.containers_seen(sandbox, {made_up});
  CHECK(test.book.due());
  test.book.containers_seen(sandbox, {});
  CHECK_FALSE(test.book.due());
}

TEST_CASE("a bundle's names are used, and the runtime's when it answers") {
  Fixture test;
  SandboxNames bundled = pod("web", {{app, "app"}});
  bundled.from_bundle = true;
  bundled.runtime_handler = "";
  test.book.sandbox_appeared(sandbox);
  test.book.containers_seen(sandbox, {app});
  test.exchange({{sandbox, bundled}}, true);
  CHECK(test.container(app) == "app");
  REQUIRE(test.book.due());
  test.exchange({{sandbox, pod("web", {{app, "app"}})}});
  CHECK(test.book.names(sandbox)->runtime_handler == "kata");
  CHECK_FALSE(test.book.due());
  // It may fall back on the bundle for a container later; the names from the runtime stay.
  test.book.containers_seen(sandbox, {app, sidecar});
  bundled.containers[sidecar] = {"sidecar", "image"};
  test.exchange({{sandbox, bundled}}, true);
  CHECK(test.container(sidecar) == "sidecar");
  CHECK(test.book.names(sandbox)->runtime_handler == "kata");
}

TEST_CASE("a sandbox that is forgotten is gone, also from a question that is open") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  static_cast<void>(test.book.ask());
  test.book.forget(sandbox);
  test.book.answered({{{sandbox, pod("web")}}, {}}, test.now);
  CHECK(test.book.names(sandbox) == nullptr);
  CHECK_FALSE(test.book.due());
  test.book.containers_seen(sandbox, {app});
  CHECK_FALSE(test.book.due());
}

TEST_CASE("names that were given out do not change") {
  Fixture test;
  test.book.sandbox_appeared(sandbox);
  test.exchange({{sandbox, pod("web")}});
  const auto before = test.book.names(sandbox);
  test.book.containers_seen(sandbox, {app});
  test.exchange({{sandbox, pod("web", {{app, "app"}})}});
  CHECK(before->containers.empty());
  CHECK(test.container(app) == "app");
}
