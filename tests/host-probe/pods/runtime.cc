#include "host-probe/pods/runtime.h"

#include <cri.pb.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>

#include "tests/host-probe/pods/fake_runtime.h"
#include "tests/host-probe/pods/ids.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using katameter::host::testing::FakeRuntime;
using namespace std::chrono_literals;

namespace {

std::string one_pod(const std::string& name) {
  cri::ListPodSandboxResponse answer;
  answer.add_items()->set_id(std::string(64, 'a'));
  answer.mutable_items(0)->mutable_metadata()->set_name(name);
  return answer.SerializeAsString();
}

std::string containerd_status() {
  cri::StatusResponse answer;
  (*answer.mutable_info())["config"] =
      R"({"containerd": {"defaultRuntimeName": "vm", "runtimes": {"vm": {"runtimeType": "io.containerd.kata.v2"}}}})";
  return answer.SerializeAsString();
}

struct RuntimeFixture {
  std::string socket() const { return temporary.path() / "cri.sock"; }
  void serve(const std::string& version) {
    runtime = std::make_unique<FakeRuntime>(socket());
    runtime->answers("/runtime." + version + ".RuntimeService/ListPodSandbox", one_pod("web-0"));
    runtime->answers("/runtime." + version + ".RuntimeService/Status", containerd_status());
    runtime->answers("/runtime." + version + ".RuntimeService/ListContainers", "");
    runtime->answers("/runtime." + version + ".ImageService/ListImages", "");
  }

  katameter::testing::TemporaryDirectory temporary;
  std::unique_ptr<FakeRuntime> runtime;
};

using Scope = CriClient::Scope;

// For a busy machine.
RuntimeTiming patient() {
  RuntimeTiming timing;
  timing.deadline = 20s;
  return timing;
}

}  // namespace

TEST_CASE("pods, their runtime's configuration and containers are asked for once each") {
  RuntimeFixture test;
  test.serve("v1");
  CriClient client(test.socket());
  const auto listing = client.list(20s, Scope::pods_and_containers);
  REQUIRE(listing);
  REQUIRE(listing->pods.size() == 1);
  CHECK(listing->pods[0].name == "web-0");
  CHECK(listing->kata_handlers.at("vm"));
  CHECK(test.runtime->asked() == std::vector<std::string>{"/runtime.v1.RuntimeService/ListPodSandbox",
                                                          "/runtime.v1.RuntimeService/Status",
                                                          "/runtime.v1.RuntimeService/ListContainers"});
}

TEST_CASE("images are listed once, and again only when a container's is not among them") {
  RuntimeFixture test;
  test.serve("v1");
  const std::string method = "/runtime.v1.ImageService/ListImages";
  const auto times = [&] {
    const auto asked = test.runtime->asked();
    return std::count(asked.begin(), asked.end(), method);
  };
  RuntimeNames names({{test.socket(), true}}, test.temporary.path(), patient());
  for (int i = 0; i < 3; ++i) CHECK(names.look_up({{pod_id, {}}}).sandboxes.contains(pod_id));
  CHECK(times() == 1);
  cri::ListContainersResponse containers;
  cri::Container& container = *containers.add_containers();
  container.set_id(std::string(64, '1'));
  container.set_pod_sandbox_id(pod_id.hex());
  container.mutable_image()->set_image("sha256:7");
  test.runtime->answers("/runtime.v1.RuntimeService/ListContainers", containers.SerializeAsString());
  cri::ListImagesResponse images;
  images.add_images()->set_id("sha256:7");
  images.mutable_images(0)->add_repo_tags("nginx:1.21");
  test.runtime->answers(method, images.SerializeAsString());
  for (int i = 0; i < 3; ++i) {
    const auto found = names.look_up({{pod_id, {}}}).sandboxes.at(pod_id).containers;
    REQUIRE(found.size() == 1);
    CHECK(found.begin()->second.image == "nginx:1.21");
  }
  CHECK(times() == 2);
}

TEST_CASE("a runtime that knows v1alpha2 only is understood, and found out again each time") {
  RuntimeFixture test;
  test.serve("v1alpha2");
  CriClient client(test.socket());
  REQUIRE(client.list(20s, Scope::pods));
  CHECK(client.list(20s, Scope::pods)->pods.at(0).name == "web-0");
  const auto asked = test.runtime->asked();
  CHECK(std::count(asked.begin(), asked.end(), "/runtime.v1.RuntimeService/ListPodSandbox") == 2);
  CHECK(std::count(asked.begin(), asked.end(), "/runtime.v1.RuntimeService/ListContainers") == 0);
}

TEST_CASE("images that are not listed cost their names only") {
  RuntimeFixture test;
  test.runtime = std::make_unique<FakeRuntime>(test.socket());
  test.runtime->answers("/runtime.v1.RuntimeService/ListPodSandbox", one_pod("web-0"));
  test.runtime->answers("/runtime.v1.RuntimeService/ListContainers", "");
  CHECK(RuntimeNames({{test.socket(), true}}, test.temporary.path(), patient())
            .look_up({{pod_id, {}}})
            .sandboxes.contains(pod_id));
}

TEST_CASE("without anything missing, pods alone are asked for") {
  RuntimeFixture test;
  test.serve("v1");
  RuntimeNames names({{test.socket(), true}}, test.temporary.path());
  const LookupResult answer = names.look_up({});
  REQUIRE(answer.running);
  REQUIRE(answer.running->size() == 1);
  CHECK(answer.running->at(0).id == pod_id);
  CHECK(answer.running->at(0).kata == true);
  CHECK(test.runtime->asked().size() == 2);
}

TEST_CASE("a runtime that does not say what its handlers are lists its pods all the same") {
  RuntimeFixture test;
  test.runtime = std::make_unique<FakeRuntime>(test.socket());
  test.runtime->answers("/runtime.v1.RuntimeService/ListPodSandbox", one_pod("web-0"));
  const LookupResult answer = RuntimeNames({{test.socket(), true}}, test.temporary.path()).look_up({});
  REQUIRE(answer.running);
  CHECK_FALSE(answer.running->at(0).kata.has_value());
}

TEST_CASE("what is no container runtime is an error of one line") {
  RuntimeFixture test;
  std::string expected;
  std::chrono::milliseconds timeout = 20s;
  SECTION("there is no socket") {
    expected = "gRPC status 14";
  }
  auto kind = CriFailure::Kind::no_answer;
  SECTION("it knows nothing of CRI") {
    test.runtime = std::make_unique<FakeRuntime>(test.socket());
    expected = "does not serve CRI: unknown /runtime.v1.RuntimeService/ListPodSandbox (gRPC status 12)";
    kind = CriFailure::Kind::no_cri;
  }
  SECTION("it hangs") {
    test.serve("v1");
    test.runtime->hangs = true;
    timeout = 100ms;
    expected = "no answer within 100 ms";
  }
  SECTION("it may not send as much") {
    test.serve("v1");
    test.runtime->is_full = true;
    expected = "larger than one message may be";
    kind = CriFailure::Kind::too_large;
  }
  SECTION("its answers are none") {
    test.serve("v1");
    test.runtime->answers("/runtime.v1.RuntimeService/ListContainers", "\x0a\xff");
    expected = "not a protobuf message";
  }
  SECTION("its answers are too large") {
    test.serve("v1");
    test.runtime->answers("/runtime.v1.RuntimeService/ListPodSandbox",
                          one_pod(std::string(CriClient::max_answer_bytes, 'x')));
    expected = "larger than one message may be";
    kind = CriFailure::Kind::too_large;
  }
  const auto listing = CriClient(test.socket()).list(timeout, Scope::pods_and_containers);
  REQUIRE_FALSE(listing);
  CHECK(listing.error().kind == kind);
  CHECK_THAT(listing.error().text, Catch::Contains(test.socket()) && Catch::Contains(expected));
  CHECK(listing.error().text.find('\n') == std::string::npos);
}

TEST_CASE("a runtime that hangs is waited for no longer than it may take, or until it is cancelled") {
  RuntimeFixture test;
  test.serve("v1");
  test.runtime->hangs = true;
  CriClient client(test.socket());
  const auto begin = std::chrono::steady_clock::now();
  SECTION("the deadline") {
    CHECK_FALSE(client.list(200ms, Scope::pods));
  }
  SECTION("cancelled") {
    std::thread other([&] {
      while (test.runtime->asked().empty()) std::this_thread::sleep_for(1ms);
      client.cancel();
    });
    CHECK_FALSE(client.list(60s, Scope::pods));
    other.join();
    CHECK_FALSE(client.list(60s, Scope::pods));
  }
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE("of two runtimes one that fails costs nothing of the other's, and is not asked again at once") {
  RuntimeFixture test;
  test.serve("v1");
  FakeRuntime other(test.temporary.path() / "other.sock");
  bool pods_known = false;
  std::size_t calls = 1;
  SECTION("it hangs") {
    other.hangs = true;
  }
  SECTION("its list is too large") {
    other.is_full = true;
  }
  SECTION("it does not serve CRI, so that it has no pods") {
    pods_known = true;
    calls = 2;  // of v1 and v1alpha2
  }
  RuntimeTiming timing;
  timing.deadline = 5s;
  timing.retry_min = timing.hopeless_min = 1h;
  RuntimeNames names({{test.temporary.path() / "other.sock", true}, {test.socket(), true}}, test.temporary.path(),
                     timing);
  for (int i = 0; i < 3; ++i) {
    const LookupResult answer = names.look_up({{pod_id, {}}});
    CHECK(answer.sandboxes.at(pod_id).pod == "web-0");
    CHECK_FALSE(answer.error);
    CHECK(answer.running.has_value() == pods_known);
    CHECK(other.times_asked() == calls);
  }
}

TEST_CASE("a runtime that failed is asked again after a while, and then its names are there") {
  RuntimeFixture test;
  test.serve("v1");
  RuntimeTiming timing = patient();
  timing.retry_min = timing.hopeless_min = timing.hopeless_max = 1ms;
  std::string expected;
  SECTION("its list was too large") {
    test.runtime->is_full = true;
    expected = "larger than";
  }
  SECTION("it was away") {
    test.runtime.reset();
    expected = "gRPC status 14";
  }
  RuntimeNames names({{test.socket(), true}}, test.temporary.path(), timing);
  const LookupResult without = names.look_up({{pod_id, {}}});
  REQUIRE(without.error);
  CHECK_THAT(without.error->text, Catch::Contains(expected));
  CHECK_FALSE(without.running);
  if (!test.runtime) test.serve("v1");
  test.runtime->is_full = false;
  LookupResult answer;
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!answer.sandboxes.contains(pod_id) && std::chrono::steady_clock::now() < end)
    answer = names.look_up({{pod_id, {}}});
  CHECK(answer.sandboxes.contains(pod_id));
  CHECK_FALSE(answer.error);
}

TEST_CASE("a runtime that was started again is asked at once, however hopeless it was before") {
  RuntimeFixture test;
  test.runtime = std::make_unique<FakeRuntime>(test.socket());
  RuntimeTiming timing = patient();
  timing.hopeless_min = timing.hopeless_max = 1h;
  RuntimeNames names({{test.socket(), true}}, test.temporary.path(), timing);
  CHECK(names.look_up({{pod_id, {}}}).sandboxes.empty());
  test.runtime.reset();
  test.serve("v1");
  CHECK(names.look_up({{pod_id, {}}}).sandboxes.at(pod_id).pod == "web-0");
}

TEST_CASE("without endpoints no runtime is asked, and that is no error") {
  RuntimeFixture test;
  test.serve("v1");
  RuntimeNames names(runtime_endpoints({"none"}, test.temporary.path()), test.temporary.path());
  const LookupResult answer = names.look_up({{pod_id, {}}});
  CHECK_FALSE(answer.error);
  CHECK_FALSE(answer.running);
  CHECK(answer.sandboxes.empty());
}

TEST_CASE("a usual place where there is no runtime is passed over, and that there is no runtime at all is logged") {
  RuntimeFixture test;
  test.serve("v1");
  const std::string away = test.temporary.path() / "away.sock";
  CHECK_FALSE(RuntimeNames({{away, false}, {test.socket(), false}}, test.temporary.path()).look_up({}).error);
  const auto nobody = RuntimeNames({{away, false}}, test.temporary.path()).look_up({});
  REQUIRE(nobody.error);
  CHECK_THAT(nobody.error->text, Catch::Contains("--runtime-endpoint"));
}
