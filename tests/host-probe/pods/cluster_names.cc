#include "host-probe/pods/cluster_names.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <future>
#include <regex>
#include <thread>

#include "host-probe/own_metrics/own_metrics.h"
#include "tests/host-probe/pods/fake_api_server.h"
#include "tests/support/child.h"
#include "tests/support/fake_guest.h"
#include "tests/support/http_get.h"
#include "tests/support/loop.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

ContainerId id(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

const std::string pods_path = "/api/v1/pods";
const std::string classes_path = "/apis/node.k8s.io/v1/runtimeclasses";

std::string uid_of(char digit) {
  std::string uid = "00000000-0b2f-4a6d-8c5e-112233445566";
  std::fill_n(uid.begin(), 8, digit);
  return uid;
}

// A pod with one container that is called app.
std::string pod(char uid, const std::string& name, char container) {
  return R"({"metadata": {"name": ")" + name + R"(", "namespace": "shop", "uid": ")" + uid_of(uid) +
         R"("}, "spec": {"runtimeClassName": "kata", "containers": [{"name": "app", "image": "nginx:1.21"}]},
             "status": {"containerStatuses": [{"name": "app", "containerID": "containerd://)" +
         std::string(64, container) + R"("}]}})";
}

std::string list(const std::string& pods) {
  return R"({"kind": "PodList", "items": [)" + pods + "]}";
}

// One certificate, which is its own authority, and what a pod has of its ServiceAccount.
struct Credentials {
  Credentials() {
    make("server", "IP:127.0.0.1");
    fs::create_directories(directory());
    fs::copy_file(file("server.pem"), directory() + "/ca.crt");
    write_token("first");
  }
  void make(const std::string& name, const std::string& san) const {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" + name +
        " -addext subjectAltName=" + san + " -keyout " + file(name + ".key") + " -out " + file(name + ".pem") +
        " 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  void write_token(const std::string& token) const { std::ofstream(directory() + "/token") << token << "\n"; }
  std::string file(const std::string& name) const { return (folder.path() / name).string(); }
  std::string directory() const { return file("serviceaccount"); }

  TemporaryDirectory folder;
};

struct ClusterNamesFixture {
  ClusterNamesFixture() : server(credentials.file("server.pem"), credentials.file("server.key")) {
    server.answers(pods_path, list(pod('1', "web-0", '4') + "," + pod('2', "web-1", '5')));
    server.answers(
        classes_path,
        R"({"kind": "RuntimeClassList", "items": [{"metadata": {"name": "kata"}, "handler": "kata-qemu"}]})");
  }

  fs::path run_root() const { return credentials.folder.path() / "run"; }
  // What the shim of the Go runtime keeps of a sandbox.
  void add_sandbox(char sandbox, char uid) const {
    const fs::path directory = run_root() / "vc/sbs" / std::string(64, sandbox);
    fs::create_directories(directory);
    std::ofstream(directory / "persist.json")
        << R"({"SandboxCgroupPath": "/kubepods/pod)" << uid_of(uid) << "/kata_" << std::string(64, sandbox) << "\"}";
  }
  PodListAddress address() const {
    const std::string url = "https://127.0.0.1:" + server.port();
    return {url + pods_path + "?fieldSelector=spec.nodeName%3Dnode-1", url + classes_path, credentials.directory()};
  }
  // With all the time that a busy machine takes.
  static PodListTiming patient() {
    PodListTiming timing;
    timing.timeout = 60s;
    return timing;
  }
  ClusterNames names(const PodListTiming& timing = patient()) const { return names(address(), timing); }
  ClusterNames names(const PodListAddress& at, const PodListTiming& timing = patient()) const {
    return {at, run_root(), timing};
  }

  Credentials credentials;
  FakeApiServer server;
};

double operations(const std::string& metric) {
  const std::string text = OwnMetrics::of_process().text();
  std::smatch found;
  REQUIRE(std::regex_search(text, found, std::regex(metric + R"re(\{operation_type="list_pods"\} (\d+))re")));
  return std::stod(found[1]);
}

// `from` with these in the environment, as the kubelet sets them.
Result<PodListAddress> parse(const std::string& from, const std::string& node, const char* host, const char* port) {
  for (const auto& [name, value] : {std::pair("KUBERNETES_SERVICE_HOST", host), {"KUBERNETES_SERVICE_PORT", port}}) {
    value != nullptr ? setenv(name, value, 1) : unsetenv(name);
  }
  return parse_pods_from(from, node, "/credentials");
}

}  // namespace

TEST_CASE("the API server's list names a sandbox by the pod that its cgroup is of") {
  ClusterNamesFixture test;
  test.add_sandbox('a', '1');
  test.add_sandbox('b', '2');
  test.add_sandbox('c', '3');  // not on the list
  ClusterNames names = test.names();
  // d has left no trace on the disk. A guest that reports another pod's container gets no name for it.
  const LookupResult found =
      names.look_up({{id('a'), {id('4'), id('5')}}, {id('b'), {}}, {id('c'), {}}, {id('d'), {id('4')}}});
  CHECK_FALSE(found.error);
  CHECK_FALSE(found.running);
  REQUIRE(found.sandboxes.size() == 2);
  SandboxNames expected{"shop", "web-0", uid_of('1'), "kata-qemu", "", {{id('4'), {"app", "nginx:1.21"}}}};
  CHECK(found.sandboxes.at(id('a')) == expected);
  CHECK(found.sandboxes.at(id('b')).pod == "web-1");

  const auto requests = test.server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].path == pods_path + "?fieldSelector=spec.nodeName=node-1");
  CHECK(requests[0].authorization == "Bearer first");
  CHECK(requests[1].path == classes_path);
  // Classes are known from then on.
  CHECK(names.look_up({{id('a'), {}}}).sandboxes.size() == 1);
  CHECK(test.server.requests().size() == 3);
}

TEST_CASE("the state of runtime-rs and a bundle say which pod it is") {
  ClusterNamesFixture test;
  const fs::path state = test.run_root() / "kata" / id('a').hex();
  fs::create_directories(state);
  std::ofstream(state / "state.json") << R"({"resource": {"cgroup_state": {"path": "kubepods/pod)" << uid_of('1') << "/"
                                      << id('a').hex() << "\"}}}";
  const fs::path bundle = test.run_root() / "containerd/io.containerd.runtime.v2.task/k8s.io" / id('b').hex();
  fs::create_directories(bundle);
  const auto annotate = [&](char uid) {
    std::ofstream(bundle / "config.json") << R"({"annotations": {"io.kubernetes.cri.container-type": "sandbox",
        "io.kubernetes.cri.sandbox-id": ")"
                                          << id('b').hex() << R"(", "io.kubernetes.cri.sandbox-name": "of-the-bundle",
        "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.podsandbox.image-name": "pause:3",
        "io.kubernetes.cri.sandbox-uid": ")"
                                          << uid_of(uid) << "\"}}";
  };
  annotate('2');
  ClusterNames names = test.names();
  const LookupRequest request{{id('a'), {}}, {id('b'), {}}};
  LookupResult found = names.look_up(request);
  REQUIRE(found.sandboxes.size() == 2);
  CHECK(found.sandboxes.at(id('a')).pod == "web-0");
  CHECK(found.sandboxes.at(id('b')).pod == "web-1");
  CHECK(found.sandboxes.at(id('b')).image == "pause:3");
  CHECK_FALSE(found.sandboxes.at(id('b')).from_bundle);
  // Not on the list: its bundle has the names.
  annotate('3');
  found = names.look_up(request);
  CHECK(found.sandboxes.at(id('b')).pod == "of-the-bundle");
  CHECK(found.sandboxes.at(id('b')).from_bundle);
  // What Kata wrote counts for more than annotations.
  test.add_sandbox('b', '1');
  CHECK(names.look_up(request).sandboxes.at(id('b')).pod == "web-0");
}

TEST_CASE("nothing is asked while no sandbox is of a pod") {
  ClusterNamesFixture test;
  ClusterNames names = test.names();
  CHECK_FALSE(names.look_up({}).error);
  CHECK(names.look_up({{id('d'), {id('4')}}}).sandboxes.empty());
  CHECK(test.server.requests().empty());
}

TEST_CASE("a token that was replaced is used, and errors say what to do") {
  ClusterNamesFixture test;
  test.add_sandbox('a', '1');
  PodListTiming timing = ClusterNamesFixture::patient();
  timing.retry_min = timing.retry_max = timing.hopeless_min = timing.hopeless_max = 0ms;
  ClusterNames names = test.names(timing);
  const auto error = [&](ClusterNames& of) {
    const LookupResult found = of.look_up({{id('a'), {}}});
    CHECK(found.sandboxes.empty());
    return found.error ? found.error->text : std::string();
  };
  const double errors = operations("katameter_runtime_operations_errors_total");
  test.server.answers(pods_path, "{}", 401);
  CHECK_THAT(error(names), Catch::Contains("the token is not accepted (401)"));
  CHECK(operations("katameter_runtime_operations_errors_total") == errors + 1);
  test.credentials.write_token("second");
  test.server.answers(pods_path, "{}", 403);
  CHECK_THAT(error(names), Catch::Contains("ClusterRole"));
  CHECK(test.server.requests().back().authorization == "Bearer second");
  test.server.answers(pods_path, "{}", 500);
  CHECK_THAT(error(names), Catch::Contains("status 500"));
  test.server.answers(pods_path, "{}", 302);
  CHECK_THAT(error(names), Catch::Contains("status 302"));
  test.server.answers(pods_path, "<html>");
  CHECK_THAT(error(names), Catch::Contains("not valid JSON"));
  test.server.answers(pods_path, R"({"kind": "Status"})");
  CHECK_THAT(error(names), Catch::Contains("not a PodList"));
  test.server.answers(pods_path, std::string(ClusterNames::max_answer_bytes + 1, ' '));
  CHECK_THAT(error(names), Catch::Contains("larger than 16 MiB"));
  timing.timeout = 300ms;
  ClusterNames impatient = test.names(timing);
  test.server.hang(true);
  CHECK_THAT(error(impatient), Catch::Contains("timed out"));
  test.server.hang(false);

  PodListAddress address = test.address();
  fs::remove(test.credentials.directory() + "/token");
  CHECK_THAT(error(names), Catch::Contains("automountServiceAccountToken"));
  test.credentials.write_token("third");
  test.credentials.make("other", "IP:127.0.0.1");
  fs::copy_file(test.credentials.file("other.pem"), address.credentials + "/ca.crt",
                fs::copy_options::overwrite_existing);
  const std::size_t before = test.server.requests().size();
  CHECK_THAT(error(names), Catch::Contains("ca.crt"));
  CHECK(test.server.requests().size() == before);  // nor has it seen the token
  address.pods = "https://127.0.0.1:1" + pods_path;
  ClusterNames nowhere = test.names(address, timing);
  CHECK_THAT(error(nowhere), Catch::Contains("--pods-from"));
}

TEST_CASE("one that refuses is not asked again soon, one that fails is") {
  ClusterNamesFixture test;
  test.add_sandbox('a', '1');
  PodListTiming timing = ClusterNamesFixture::patient();
  timing.retry_min = timing.retry_max = 0ms;
  ClusterNames names = test.names(timing);
  const LookupRequest request{{id('a'), {}}};
  test.server.answers(pods_path, "", 503);
  CHECK(names.look_up(request).error);
  CHECK(names.look_up(request).error);
  CHECK(test.server.requests().size() == 2);
  test.server.answers(pods_path, "", 403);
  CHECK(names.look_up(request).error);
  CHECK_THAT(names.look_up(request).error.value_or(Error()).text, Catch::Contains("403"));
  CHECK(test.server.requests().size() == 3);
}

TEST_CASE("who may not list RuntimeClasses has names without a handler") {
  ClusterNamesFixture test;
  test.add_sandbox('a', '1');
  test.server.answers(classes_path, "", 403);
  ClusterNames names = test.names();
  for (int i = 0; i < 2; ++i) {
    const LookupResult found = names.look_up({{id('a'), {}}});
    CHECK_FALSE(found.error);
    REQUIRE(found.sandboxes.contains(id('a')));
    CHECK(found.sandboxes.at(id('a')).runtime_handler.empty());
  }
  CHECK(test.server.requests().size() == 3);  // the classes once
}

TEST_CASE("kubelet's list is the same, and no token goes where there is no TLS") {
  ClusterNamesFixture test;
  test.add_sandbox('a', '1');
  FakeApiServer plain;
  plain.answers("/pods", list(pod('1', "web-0", '4')));
  const auto address = parse_pods_from("http://127.0.0.1:" + plain.port() + "/pods", "", test.credentials.directory());
  REQUIRE(address);
  ClusterNames names = test.names(*address);
  const LookupResult found = names.look_up({{id('a'), {}}});
  REQUIRE(found.sandboxes.contains(id('a')));
  CHECK(found.sandboxes.at(id('a')).pod == "web-0");
  const auto requests = plain.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].authorization.empty());
}

TEST_CASE("a request under way ends when host-probe does") {
  ClusterNamesFixture test;
  test.add_sandbox('a', '1');
  test.server.hang(true);
  PodListTiming timing;
  timing.timeout = 10min;
  ClusterNames names = test.names(timing);
  auto answer = std::async(std::launch::async, [&] { return names.look_up({{id('a'), {}}}); });
  while (test.server.requests().empty()) std::this_thread::sleep_for(1ms);
  names.cancel();
  REQUIRE(answer.wait_for(60s) == std::future_status::ready);
  CHECK(answer.get().error);
}

TEST_CASE("where the list is, the environment of a pod says") {
  const auto address = parse("api", "node-1.example", "10.96.0.1", "443");
  REQUIRE(address);
  CHECK(address->pods ==
        "https://10.96.0.1:443/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1.example&resourceVersion=0");
  CHECK_THAT(address->runtime_classes, Catch::StartsWith("https://10.96.0.1:443/apis/node.k8s.io/v1/runtimeclasses"));
  CHECK(address->credentials == "/credentials");
  const auto of_6 = parse("api", "node-1", "fd00::1", "443");
  REQUIRE(of_6);
  CHECK_THAT(of_6->pods, Catch::StartsWith("https://[fd00::1]:443/"));
  const auto kubelet = parse("https://10.0.0.1:10250/pods", "", nullptr, nullptr);
  REQUIRE(kubelet);
  CHECK(kubelet->pods == "https://10.0.0.1:10250/pods");
  CHECK(kubelet->runtime_classes.empty());

  const auto error = [](const Result<PodListAddress>& of) { return of ? std::string() : of.error().text; };
  CHECK_THAT(error(parse("api", "", "10.96.0.1", "443")), Catch::Contains("NODE_NAME"));
  CHECK_THAT(error(parse("api", "a&b", "10.96.0.1", "443")), Catch::Contains("--node-name"));
  CHECK_THAT(error(parse("api", "node-1", nullptr, nullptr)), Catch::Contains("KUBERNETES_SERVICE_HOST"));
  CHECK_THAT(error(parse("api", "node-1", "/", "443")), Catch::Contains("not an address"));
  for (const char* from : {"", "kubelet", "ftp://a/pods", "http://", "https:///pods", "http://a b/pods"}) {
    INFO(from);
    CHECK_THAT(error(parse(from, "node-1", "10.96.0.1", "443")), Catch::Contains("neither runtime nor api"));
  }
}

TEST_CASE("host-probe without a runtime's socket names pods and containers by the API server") {
  ClusterNamesFixture test;
  test.add_sandbox('a', '1');
  setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
  setenv("KUBERNETES_SERVICE_PORT", test.server.port().c_str(), 1);
  setenv("NODE_NAME", "node-1", 1);
  Loop loop;
  const fs::path directory = test.run_root() / "vc/vm" / id('a').hex();
  fs::create_directories(directory);
  FakeGuest guest(loop, directory / "clh.sock");
  std::uint64_t sequence = 0;
  guest.snapshot = [&](std::uint64_t request) {
    wire::Snapshot made{request, ++sequence, sequence, {}, {}, {}};
    made.containers.emplace_back().id = id('4');
    made.containers.back().memory_usage_bytes = 4096;
    return made;
  };
  Program program({"--run-root", test.run_root(), "--web.listen-address", "127.0.0.1:0", "--state-file", "",
                   "--pods-from", "api", "--service-account", test.credentials.directory()});
  const auto addresses = program.addresses();
  REQUIRE_FALSE(addresses.empty());
  std::string text;
  const auto scrape = [&] {
    auto answer = std::async(std::launch::async, [&] { return http_get(addresses[0], "/metrics"); });
    REQUIRE(loop.until([&] { return answer.wait_for(0s) == std::future_status::ready; }));
    text = answer.get();
    return text.find("container=\"app\"} 4096") != std::string::npos;
  };
  CHECK(loop.until([&] { return guest.received<wire::Hello>().size() == 1; }));
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!scrape() && std::chrono::steady_clock::now() < end) loop.pass(100ms);
  INFO(text << program.take());
  CHECK_THAT(text, Catch::Contains("image=\"nginx:1.21\",namespace=\"shop\",pod=\"web-0\",container=\"app\"} 4096"));
  CHECK(std::regex_search(text, std::regex(R"re(katameter_sandbox_info\{.*runtime_handler="kata-qemu".*\} 1)re")));
  CHECK_THAT(text, Catch::Contains("katameter_runtime_operations_errors_total{operation_type=\"list_pods\"} 0"));
  program.stop(SIGTERM);
  CHECK(program.status() == 0);
  for (const char* name : {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "NODE_NAME"}) unsetenv(name);
}
