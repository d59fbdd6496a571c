#include "host-probe/pods/runtime.h"

#include <cri.pb.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace std::chrono_literals;

namespace {

// A container runtime on a Unix socket that gives the prepared answers, by method.
class FakeRuntime : grpc::CallbackGenericService {
 public:
  explicit FakeRuntime(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
  }
  ~FakeRuntime() override { server_->Shutdown(std::chrono::system_clock::now()); }

  void answers(const std::string& method, std::string answer) { answers_[method] = std::move(answer); }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::atomic<bool> hangs = false;

 private:
  class Call : public grpc::ServerGenericBidiReactor {
   public:
    Call(FakeRuntime& runtime, std::string method) : runtime_(runtime), method_(std::move(method)) {
      StartRead(&request_);
    }
    void OnReadDone(bool) override {
      {
        const std::lock_guard lock(runtime_.mutex_);
        runtime_.asked_.push_back(method_);
      }
      if (runtime_.hangs) return;  // until it is cancelled
      const auto found = runtime_.answers_.find(method_);
      if (found == runtime_.answers_.end()) return Finish({grpc::StatusCode::UNIMPLEMENTED, "unknown " + method_});
      const grpc::Slice bytes(found->second);
      response_ = grpc::ByteBuffer(&bytes, 1);
      StartWriteAndFinish(&response_, {}, grpc::Status::OK);
    }
    void OnCancel() override {
      if (runtime_.hangs) Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    FakeRuntime& runtime_;
    std::string method_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer response_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Call(*this, context->method());
  }

  std::map<std::string, std::string> answers_;
  std::mutex mutex_;  // of what follows
  std::vector<std::string> asked_;
  std::unique_ptr<grpc::Server> server_;
};

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

struct Fixture {
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

const ContainerId pod = *ContainerId::from_hex(std::string(64, 'a'));

}  // namespace

TEST_CASE("pods, containers and images are asked for once each") {
  Fixture test;
  test.serve("v1");
  CriClient client(test.socket());
  const auto listing = client.list(20s);
  REQUIRE(listing);
  REQUIRE(listing->pods.size() == 1);
  CHECK(listing->pods[0].name == "web-0");
  CHECK(listing->kata_handlers.at("vm"));
  CHECK(test.runtime->asked() ==
        std::vector<std::string>{"/runtime.v1.RuntimeService/ListPodSandbox", "/runtime.v1.RuntimeService/Status",
                                 "/runtime.v1.RuntimeService/ListContainers", "/runtime.v1.ImageService/ListImages"});
}

TEST_CASE("a runtime that knows v1alpha2 only is understood, and found out again each time") {
  Fixture test;
  test.serve("v1alpha2");
  CriClient client(test.socket());
  REQUIRE(client.list(20s));
  CHECK(client.list(20s)->pods.at(0).name == "web-0");
  const auto asked = test.runtime->asked();
  CHECK(std::count(asked.begin(), asked.end(), "/runtime.v1.RuntimeService/ListPodSandbox") == 2);
  CHECK(std::count(asked.begin(), asked.end(), "/runtime.v1.RuntimeService/ListContainers") == 0);
}

TEST_CASE("images that are not listed cost their names only") {
  Fixture test;
  test.runtime = std::make_unique<FakeRuntime>(test.socket());
  test.runtime->answers("/runtime.v1.RuntimeService/ListPodSandbox", one_pod("web-0"));
  test.runtime->answers("/runtime.v1.RuntimeService/ListContainers", "");
  CHECK(CriClient(test.socket()).list(20s));
}

TEST_CASE("without anything missing, pods alone are asked for") {
  Fixture test;
  test.serve("v1");
  RuntimeNames names({{test.socket(), true}}, test.temporary.path());
  const LookupResult answer = names.look_up({});
  REQUIRE(answer.running);
  REQUIRE(answer.running->size() == 1);
  CHECK(answer.running->at(0).id == pod);
  CHECK(answer.running->at(0).kata == true);
  CHECK(test.runtime->asked().size() == 2);
}

TEST_CASE("a runtime that does not say what its handlers are lists its pods all the same") {
  Fixture test;
  test.runtime = std::make_unique<FakeRuntime>(test.socket());
  test.runtime->answers("/runtime.v1.RuntimeService/ListPodSandbox", one_pod("web-0"));
  const LookupResult answer = RuntimeNames({{test.socket(), true}}, test.temporary.path()).look_up({});
  REQUIRE(answer.running);
  CHECK_FALSE(answer.running->at(0).kata.has_value());
}

TEST_CASE("what is no container runtime is an error of one line") {
  Fixture test;
  std::string expected;
  SECTION("there is no socket") {
    expected = "gRPC status 14";
  }
  SECTION("it knows nothing of CRI") {
    test.runtime = std::make_unique<FakeRuntime>(test.socket());
    expected = "unknown /runtime.v1.RuntimeService/ListPodSandbox (gRPC status 12)";
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
    expected = "gRPC status 8";
  }
  const auto listing = CriClient(test.socket()).list(20s);
  REQUIRE_FALSE(listing);
  CHECK_THAT(listing.error().text, Catch::Contains(test.socket()) && Catch::Contains(expected));
  CHECK(listing.error().text.find('\n') == std::string::npos);
}

TEST_CASE("a runtime that hangs is waited for no longer than it may take, or until it is cancelled") {
  Fixture test;
  test.serve("v1");
  test.runtime->hangs = true;
  CriClient client(test.socket());
  const auto begin = std::chrono::steady_clock::now();
  SECTION("the deadline") {
    CHECK_FALSE(client.list(200ms));
  }
  SECTION("cancelled") {
    std::thread other([&] {
      while (test.runtime->asked().empty()) std::this_thread::sleep_for(1ms);
      client.cancel();
    });
    CHECK_FALSE(client.list(60s));
    other.join();
    CHECK_FALSE(client.list(60s));
  }
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE("with two runtimes, one that is away does not keep the other's names") {
  Fixture test;
  test.serve("v1");
  RuntimeNames names({{test.temporary.path() / "away.sock", true}, {test.socket(), true}}, test.temporary.path());
  const LookupResult answer = names.look_up({{pod, {}}});
  CHECK(answer.sandboxes.at(pod).pod == "web-0");
  CHECK_FALSE(answer.running);
  REQUIRE(answer.error);
  CHECK_THAT(answer.error->text, Catch::Contains("away.sock"));
}

TEST_CASE("a usual place where there is no runtime is passed over, and that there is no runtime at all is logged") {
  Fixture test;
  test.serve("v1");
  const std::string away = test.temporary.path() / "away.sock";
  CHECK_FALSE(RuntimeNames({{away, false}, {test.socket(), false}}, test.temporary.path()).look_up({}).error);
  const auto nobody = RuntimeNames({{away, false}}, test.temporary.path()).look_up({});
  REQUIRE(nobody.error);
  CHECK_THAT(nobody.error->text, Catch::Contains("--runtime-endpoint"));
}
