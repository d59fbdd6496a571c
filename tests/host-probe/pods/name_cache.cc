#include "host-probe/pods/name_cache.h"

#include <catch2/catch.hpp>

#include "tests/host-probe/pods/ids.h"
#include "tests/support/containers.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::id_of;
using namespace std::chrono_literals;

namespace {

const ContainerId other = id_of('b');
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

struct NameCacheFixture {
  /// Asks, and lets the runtime answer with this.
  LookupRequest exchange(const NamesBySandbox& found, bool failed = false) {
    const LookupRequest request = cache.ask();
    cache.answered({found, {}, failed ? std::optional(Error{0, "no runtime"}) : std::nullopt}, now);
    return request;
  }
  std::string container(const ContainerId& id) const {
    const auto names = cache.names(pod_id);
    return names && names->containers.contains(id) ? names->containers.at(id).name : "";
  }
  /// In how long there is something to ask, from now on.
  std::optional<std::chrono::milliseconds> wait() const {
    const auto due = cache.due();
    if (!due) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(*due - now, PodNameCache::Time::duration::zero()));
  }

  PodNameCache cache{NameTiming{1s, 8s, 64s, 0s}};
  PodNameCache::Time now{1h};
};

}  // namespace

TEST_CASE("nothing is asked while nothing is missing") {
  NameCacheFixture test;
  CHECK_FALSE(test.cache.due());
  test.cache.sandbox_appeared(pod_id);
  CHECK(test.wait() == 0ms);
  test.exchange({{pod_id, pod("web")}});
  CHECK_FALSE(test.cache.due());
  test.cache.containers_seen(pod_id, {});
  CHECK_FALSE(test.cache.due());
  CHECK(test.cache.names(pod_id)->pod == "web");
  CHECK(test.cache.names(pod_id)->runtime_handler == "kata");
}

TEST_CASE("one request holds all that is missing, and only one is open") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.cache.sandbox_appeared(other);
  test.cache.containers_seen(pod_id, {app_id, sidecar});
  const LookupRequest request = test.cache.ask();
  CHECK(request == LookupRequest{{pod_id, {app_id, sidecar}}, {other, {}}});
  test.cache.containers_seen(other, {made_up});
  CHECK_FALSE(test.cache.due());
  test.cache.answered({{{pod_id, pod("web", {{app_id, "app"}, {sidecar, "sidecar"}})}, {other, pod("db")}}, {}, {}},
                      test.now);
  CHECK(test.container(app_id) == "app");
  CHECK(test.container(sidecar) == "sidecar");
  // What came while the request was open is the next one.
  CHECK(test.wait() == 1s);
  CHECK(test.exchange({}) == LookupRequest{{other, {made_up}}});
}

TEST_CASE("a container that the runtime listed before the guest did is not looked up") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.exchange({{pod_id, pod("web", {{app_id, "app"}})}});
  test.cache.containers_seen(pod_id, {app_id});
  CHECK_FALSE(test.cache.due());
  CHECK(test.container(app_id) == "app");
}

TEST_CASE("the pause container is the sandbox and needs no name of its own") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.cache.containers_seen(pod_id, {pod_id});
  CHECK(test.exchange({{pod_id, pod("web", {{pod_id, "pause"}})}}) == LookupRequest{{pod_id, {}}});
  CHECK_FALSE(test.cache.due());
  CHECK(test.cache.names(pod_id)->containers.empty());
}

TEST_CASE("a container that five listings with its pod did not have is not known to the runtime") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.cache.containers_seen(pod_id, {app_id, made_up});
  const NamesBySandbox web{{pod_id, pod("web", {{app_id, "app"}})}};
  SandboxNames bundle = pod("web");
  bundle.from_bundle = true;
  // A bundle, an error and a listing without the pod say nothing about it.
  test.exchange({{pod_id, bundle}});
  test.exchange(web, true);
  test.exchange({});
  for (unsigned listing = 0; listing < PodNameCache::listings_without; ++listing) {
    CHECK(test.cache.unknown(pod_id).empty());
    test.exchange(web);
  }
  CHECK(test.cache.unknown(pod_id) == std::set{made_up});
  CHECK(test.cache.unknown(other).empty());
  SECTION("listed after all") {
    test.exchange({{pod_id, pod("web", {{app_id, "app"}, {made_up, "late"}})}});
    CHECK(test.cache.unknown(pod_id).empty());
    CHECK(test.container(made_up) == "late");
  }
  SECTION("not there any more") {
    test.cache.containers_seen(pod_id, {app_id});
    CHECK(test.cache.unknown(pod_id).empty());
  }
  SECTION("a new one is not counted among them") {
    test.cache.containers_seen(pod_id, {app_id, made_up, sidecar});
    test.exchange(web);
    CHECK(test.cache.unknown(pod_id) == std::set{made_up});
  }
}

TEST_CASE("what the runtime does not list is asked for again, more and more seldom, and never given up") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 9; ++i) {
    REQUIRE(test.wait());
    waits.push_back(*test.wait());
    test.now += waits.back();
    test.exchange({});
  }
  CHECK(waits == std::vector<std::chrono::milliseconds>{0s, 1s, 2s, 4s, 8s, 16s, 32s, 64s, 64s});
  // It is in each request that is made for the sake of another.
  test.cache.sandbox_appeared(other);
  CHECK(test.wait() == 0ms);
  test.exchange({{pod_id, pod("web")}, {other, pod("db")}});
  CHECK(test.cache.names(pod_id)->pod == "web");
}

TEST_CASE("a new container does not wait as long as one that was never known") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.cache.containers_seen(pod_id, {made_up});
  for (int i = 0; i < 9; ++i) {
    test.now += *test.wait();
    test.exchange({{pod_id, pod("web")}});
  }
  CHECK(test.wait() == 64s);
  test.cache.containers_seen(pod_id, {made_up, app_id});
  CHECK(test.wait() == 8s);
  test.now += 8s;
  test.exchange({{pod_id, pod("web", {{app_id, "app"}})}});
  CHECK(test.container(app_id) == "app");
  CHECK(test.wait() == 16s);
}

TEST_CASE("a storm of pods is one request in each interval") {
  PodNameCache cache{NameTiming{1s, 8s, 64s, 1s}};
  PodNameCache::Time now{1h};
  int requests = 0;
  for (int pods = 0; pods < 1000; ++pods) {
    std::string hex = std::to_string(pods);
    hex.insert(0, 64 - hex.size(), '0');
    cache.sandbox_appeared(*ContainerId::from_hex(hex));
    if (cache.due() && *cache.due() <= now) {
      NamesBySandbox found;
      for (const auto& [id, containers] : cache.ask()) found[id] = pod("web");
      cache.answered({found, {}, {}}, now);
      ++requests;
    }
    now += 10ms;
  }
  CHECK(requests == 10);
}

TEST_CASE("a guest that makes up containers has the runtime asked no oftener than the longest wait") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.exchange({{pod_id, pod("web")}});
  int questions = 0;
  for (int scrape = 0; scrape < 1000; ++scrape) {
    std::string hex = std::to_string(scrape);
    hex.insert(0, 64 - hex.size(), '0');
    test.cache.containers_seen(pod_id, {*ContainerId::from_hex(hex)});
    if (test.wait() == 0ms) {
      ++questions;
      test.exchange({{pod_id, pod("web")}});
    }
    test.now += 1s;
  }
  CHECK(questions >= 1000 / 8);
  CHECK(questions <= 1000 / 8 + 5);
  CHECK(test.cache.names(pod_id)->containers.empty());
}

TEST_CASE("a runtime that does not answer is asked until it does") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto wait = test.wait();
    REQUIRE(wait);
    CHECK(*wait <= 8s);
    if (attempt > 4) CHECK(*wait == 8s);
    test.now += *wait;
    test.exchange({}, true);
  }
  CHECK(test.cache.names(pod_id) == nullptr);
  test.now += 8s;
  test.exchange({{pod_id, pod("web")}});
  CHECK(test.cache.names(pod_id)->pod == "web");
  CHECK_FALSE(test.cache.due());
}

TEST_CASE("a new sandbox does not have a dead runtime asked before its time") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  for (int attempt = 0; attempt < 4; ++attempt) {
    test.now += *test.wait();
    test.exchange({}, true);
  }
  test.cache.sandbox_appeared(other);
  CHECK(test.wait() == 8s);
}

TEST_CASE("a container's name stays while its guest reports it, and no longer than the runtime lists it else") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.cache.containers_seen(pod_id, {app_id});
  test.exchange({{pod_id, pod("web", {{app_id, "app"}})}});
  test.cache.containers_seen(pod_id, {app_id, sidecar});
  test.exchange({{pod_id, pod("web", {{sidecar, "sidecar"}})}});
  CHECK(test.container(app_id) == "app");
  CHECK(test.container(sidecar) == "sidecar");
  const ContainerId third = id_of('3');
  test.cache.containers_seen(pod_id, {sidecar, third});
  test.exchange({{pod_id, pod("web", {{third, "third"}})}});
  CHECK(test.container(app_id).empty());
  CHECK(test.container(sidecar) == "sidecar");
}

TEST_CASE("a container that goes unnamed is not asked for any more") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.exchange({{pod_id, pod("web")}});
  test.cache.containers_seen(pod_id, {made_up});
  CHECK(test.cache.due());
  test.cache.containers_seen(pod_id, {});
  CHECK_FALSE(test.cache.due());
}

TEST_CASE("a bundle's names are used, and the runtime's when it answers") {
  NameCacheFixture test;
  SandboxNames bundled = pod("web", {{app_id, "app"}});
  bundled.from_bundle = true;
  bundled.runtime_handler = "";
  test.cache.sandbox_appeared(pod_id);
  test.cache.containers_seen(pod_id, {app_id});
  test.exchange({{pod_id, bundled}}, true);
  CHECK(test.container(app_id) == "app");
  REQUIRE(test.cache.due());
  test.exchange({{pod_id, pod("web", {{app_id, "app"}})}});
  CHECK(test.cache.names(pod_id)->runtime_handler == "kata");
  CHECK_FALSE(test.cache.due());
  // It may fall back on the bundle for a container later; the names from the runtime stay.
  test.cache.containers_seen(pod_id, {app_id, sidecar});
  bundled.containers[sidecar] = {"sidecar", "image"};
  test.exchange({{pod_id, bundled}}, true);
  CHECK(test.container(sidecar) == "sidecar");
  CHECK(test.cache.names(pod_id)->runtime_handler == "kata");
}

TEST_CASE("a runtime that does not list the pod yet is asked again, although the bundle has its names") {
  NameCacheFixture test;
  SandboxNames bundled = pod("web");
  bundled.from_bundle = true;
  bundled.runtime_handler = "";
  test.cache.sandbox_appeared(pod_id);
  test.exchange({{pod_id, bundled}});
  test.now += 1min;
  REQUIRE(test.cache.due());
  test.exchange({{pod_id, pod("web")}});
  CHECK(test.cache.names(pod_id)->runtime_handler == "kata");
  CHECK_FALSE(test.cache.due());
}

TEST_CASE("a sandbox that is forgotten is gone, also from a request that is open") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  static_cast<void>(test.cache.ask());
  test.cache.forget(pod_id);
  test.cache.answered({{{pod_id, pod("web")}}, {}, {}}, test.now);
  CHECK(test.cache.names(pod_id) == nullptr);
  CHECK_FALSE(test.cache.due());
  test.cache.containers_seen(pod_id, {app_id});
  CHECK_FALSE(test.cache.due());
}

TEST_CASE("names that were given out do not change") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  test.exchange({{pod_id, pod("web")}});
  const auto before = test.cache.names(pod_id);
  test.cache.containers_seen(pod_id, {app_id});
  test.exchange({{pod_id, pod("web", {{app_id, "app"}})}});
  CHECK(before->containers.empty());
  CHECK(test.container(app_id) == "app");
}

TEST_CASE("pods are asked for when somebody wants to see them, and not before they are old") {
  NameCacheFixture test;
  test.cache.sandbox_appeared(pod_id);
  const std::vector<RunningPod> running{{pod_id, "kata", true}, {other, "kata", true}, {id_of('c'), "runc", false}};
  const auto answer = [&] { test.cache.answered({{{pod_id, pod("web")}}, running, {}}, test.now); };
  static_cast<void>(test.cache.ask());
  CHECK_FALSE(test.cache.kata_pods());
  answer();
  CHECK(test.cache.kata_pods() == KataPods{2, 1});
  CHECK_FALSE(test.cache.due());
  test.cache.pods_wanted();
  CHECK(test.wait() == 8s);
  test.now += 8s;
  CHECK(test.wait() == 0s);
  CHECK(test.cache.ask().empty());
  test.cache.sandbox_appeared(other);
  answer();
  CHECK(test.cache.kata_pods() == KataPods{2, 2});
  CHECK(test.exchange({}) == LookupRequest{{other, {}}});
  CHECK_FALSE(test.cache.kata_pods());  // a runtime did not answer
}

TEST_CASE("a container that is a sandbox of its own is of no pod that could be asked for") {
  NameCacheFixture test;
  SandboxNames docker;
  docker.from_bundle = true;
  docker.container = "web";
  test.cache.sandbox_appeared(pod_id);
  test.cache.containers_seen(pod_id, {pod_id});
  test.exchange({{pod_id, docker}});
  CHECK(test.cache.names(pod_id)->container == "web");
  CHECK_FALSE(test.cache.due());
}
