#include "host-probe/pods/bundle.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/host-probe/pods/ids.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
namespace fs = std::filesystem;

namespace {

using Annotations = std::map<std::string, std::string>;

std::string config(const Annotations& annotations) {
  std::string text = R"({"ociVersion": "1.0.2", "process": {"args": ["/pause"]}, "annotations": {)";
  for (const auto& [key, value] : annotations)
    text += (text.back() == '{' ? "\"" : ", \"") + key + "\": \"" + value + "\"";
  return text + "}}";
}

Annotations containerd_pod() {
  return {{"io.kubernetes.cri.container-type", "sandbox"},   {"io.kubernetes.cri.sandbox-id", pod_hex},
          {"io.kubernetes.cri.sandbox-name", "web-0"},       {"io.kubernetes.cri.sandbox-namespace", "shop"},
          {"io.kubernetes.cri.sandbox-uid", "uid-of-web-0"}, {"io.kubernetes.cri.podsandbox.image-name", "pause:3"}};
}

Annotations containerd_app() {
  return {{"io.kubernetes.cri.container-type", "container"}, {"io.kubernetes.cri.sandbox-id", pod_hex},
          {"io.kubernetes.cri.sandbox-name", "web-0"},       {"io.kubernetes.cri.sandbox-namespace", "shop"},
          {"io.kubernetes.cri.container-name", "app"},       {"io.kubernetes.cri.image-name", "nginx:1.21"}};
}

Annotations crio_pod() {
  return {{"io.kubernetes.cri-o.ContainerType", "sandbox"},
          {"io.kubernetes.cri-o.ContainerName", "k8s_POD_web-0_shop_uid_0"},
          {"io.kubernetes.cri-o.SandboxID", pod_hex},
          {"io.kubernetes.cri-o.RuntimeHandler", "kata"},
          {"io.kubernetes.cri-o.ImageName", "pause:3"},
          {"io.kubernetes.container.name", "POD"},
          {"io.kubernetes.pod.name", "web-0"},
          {"io.kubernetes.pod.uid", "uid-of-web-0"},
          {"io.kubernetes.pod.namespace", "shop"}};
}

Annotations crio_app() {
  return {{"io.kubernetes.cri-o.ContainerType", "container"},
          {"io.kubernetes.cri-o.ContainerName", "k8s_app_web-0_shop_uid_0"},
          {"io.kubernetes.cri-o.SandboxID", pod_hex},
          {"io.kubernetes.cri-o.ImageName", "nginx:1.21"},
          {"io.kubernetes.container.name", "app"},
          {"io.kubernetes.pod.name", "web-0"},
          {"io.kubernetes.pod.namespace", "shop"}};
}

struct BundleFixture {
  fs::path containerd(const std::string& hex) const {
    return temporary.path() / "containerd/io.containerd.runtime.v2.task/k8s.io" / hex;
  }
  fs::path crio(const std::string& hex) const {
    return temporary.path() / "containers/storage/overlay-containers" / hex / "userdata";
  }
  static void write(const fs::path& directory, const std::string& text) {
    fs::create_directories(directory);
    std::ofstream(directory / "config.json") << text;
  }
  std::string error_of(const ContainerId& id) const {
    const auto found = bundles.find(id);
    REQUIRE(found);
    REQUIRE_FALSE(*found);
    return found->error().text;
  }

  katameter::testing::TemporaryDirectory temporary;
  Bundles bundles{temporary.path().string()};
};

}  // namespace

TEST_CASE("the annotations of containerd and of CRI-O") {
  const auto pod = parse_bundle(config(GENERATE(containerd_pod(), crio_pod())));
  REQUIRE(pod);
  CHECK(pod->sandbox == pod_id);
  CHECK(pod->pod == "web-0");
  CHECK(pod->pod_namespace == "shop");
  CHECK(pod->uid == "uid-of-web-0");
  CHECK(pod->container.empty());
  CHECK(pod->image == "pause:3");
  const auto app = parse_bundle(config(GENERATE(containerd_app(), crio_app())));
  REQUIRE(app);
  CHECK(app->sandbox == pod_id);
  CHECK(app->pod == "web-0");
  CHECK(app->container == "app");
  CHECK(app->image == "nginx:1.21");
  CHECK(parse_bundle(config(crio_pod()))->runtime_handler == "kata");
}

TEST_CASE("what is no bundle of a pod is an error that says so") {
  const std::map<std::string, std::string> cases{
      {"", "not valid JSON"},
      {"{\"annotations\": {", "not valid JSON"},
      {"[]", "not a JSON object"},
      {"3", "not a JSON object"},
      {"{}", "no annotations"},
      {R"({"annotations": []})", "no annotations"},
      {R"({"annotations": {}})", "no sandbox"},
      {R"({"annotations": {"io.kubernetes.cri.sandbox-id": 7}})", "no sandbox"},
      {R"({"annotations": {"io.kubernetes.cri.sandbox-id": "../../etc"}})", "no sandbox"},
      {std::string(100'000, '['), "not valid JSON"},
      {"{\"annotations\": {\"io.kubernetes.cri.sandbox-name\": \"\xff\"}}", "not valid JSON"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text.substr(0, 80));
    const auto parsed = parse_bundle(text);
    REQUIRE_FALSE(parsed);
    CHECK_THAT(parsed.error().text, Catch::Contains(expected));
  }
}

TEST_CASE("bundles are found where containerd and CRI-O keep them") {
  BundleFixture test;
  CHECK_FALSE(test.bundles.find(pod_id));
  CHECK_FALSE(test.bundles.names(pod_id, {}));
  const bool containerd = GENERATE(true, false);
  BundleFixture::write(containerd ? test.containerd(pod_hex) : test.crio(pod_hex), config(containerd_pod()));
  BundleFixture::write(containerd ? test.containerd(app_hex) : test.crio(app_hex), config(containerd_app()));
  const auto names = test.bundles.names(pod_id, {app_id, *ContainerId::from_hex(std::string(64, '2'))});
  REQUIRE(names);
  CHECK(names->pod == "web-0");
  CHECK(names->uid == "uid-of-web-0");
  CHECK(names->image == "pause:3");
  CHECK(names->from_bundle);
  CHECK(names->containers == std::map<ContainerId, SandboxNames::Container>{{app_id, {"app", "nginx:1.21"}}});
}

TEST_CASE("bundles of the containerds of k3s, k0s, Docker and MicroK8s are found") {
  BundleFixture test;
  // The run root is run here, so that what is beside it is of this test alone.
  const fs::path run = test.temporary.path() / "run";
  const Bundles bundles(run.string());
  for (const char* state : {"run/k3s/containerd", "run/k0s/containerd", "run/docker/containerd/daemon",
                            "var/snap/microk8s/common/run/containerd"}) {
    INFO(state);
    const fs::path tasks = test.temporary.path() / state / "io.containerd.runtime.v2.task";
    CHECK_FALSE(bundles.names(pod_id, {}));
    BundleFixture::write(tasks / "k8s.io" / pod_hex, config(containerd_pod()));
    REQUIRE(bundles.names(pod_id, {}));
    CHECK(bundles.names(pod_id, {})->pod == "web-0");
    fs::remove_all(tasks);
  }
}

TEST_CASE("a container of nerdctl is a sandbox of its own, with its name") {
  BundleFixture test;
  BundleFixture::write(test.temporary.path() / "containerd/io.containerd.runtime.v2.task/default" / app_hex,
                       config({{"nerdctl/name", "web"}, {"nerdctl/namespace", "default"}, {"nerdctl/hostname", "x"}}));
  const auto names = test.bundles.names(app_id, {app_id});
  REQUIRE(names);
  CHECK(names->container == "web");
  CHECK(names->pod.empty());
  CHECK(names->from_bundle);
}

TEST_CASE("Docker's bundles say nothing of names, its own files do") {
  BundleFixture test;
  const Bundles bundles((test.temporary.path() / "run").string());
  BundleFixture::write(test.temporary.path() / "run/containerd/io.containerd.runtime.v2.task/moby" / app_hex,
                       R"({"ociVersion": "1.2.0", "hostname": "1111"})");
  CHECK_FALSE(bundles.names(app_id, {}));
  const fs::path of_docker = test.temporary.path() / "var/lib/docker/containers" / app_hex;
  fs::create_directories(of_docker);
  std::ofstream(of_docker / "config.v2.json") << R"({"ID": "x", "Name": "/web", "Config": {"Image": "nginx:1.21"}})";
  const auto names = bundles.names(app_id, {});
  REQUIRE(names);
  CHECK(names->container == "web");
  CHECK(names->image == "nginx:1.21");
}

TEST_CASE("what Docker has written is looked at as carefully as a bundle") {
  CHECK(parse_docker(R"({"Name": "web"})")->image.empty());
  CHECK(parse_docker(R"({"Name": "web", "Config": 7})")->image.empty());
  for (const char* odd : {"", "[]", "{}", R"({"Name": 7})", R"({"Name": "/"})", "{\"Name\": \"a\\nb\"}"}) {
    INFO(odd);
    CHECK_FALSE(parse_docker(odd));
  }
}

TEST_CASE("a container of another pod gets no name, and a container is no sandbox") {
  BundleFixture test;
  const std::string other_hex(64, 'b');
  Annotations stranger = containerd_app();
  stranger["io.kubernetes.cri.sandbox-id"] = other_hex;
  BundleFixture::write(test.containerd(pod_hex), config(containerd_pod()));
  BundleFixture::write(test.containerd(app_hex), config(stranger));
  CHECK(test.bundles.names(pod_id, {app_id})->containers.empty());
  CHECK_FALSE(test.bundles.names(app_id, {}));
}

TEST_CASE("a bundle that cannot be read is an error, soon") {
  BundleFixture test;
  SECTION("too large") {
    Annotations large = containerd_pod();
    large["padding"] = std::string(Bundles::max_config_bytes, 'x');
    BundleFixture::write(test.containerd(pod_hex), config(large));
    CHECK_THAT(test.error_of(pod_id), Catch::Contains("larger than"));
  }
  SECTION("as large as is allowed") {
    Annotations large = containerd_pod();
    large["padding"] = "";
    large["padding"] = std::string(Bundles::max_config_bytes - config(large).size(), 'x');
    BundleFixture::write(test.containerd(pod_hex), config(large));
    CHECK(test.bundles.names(pod_id, {})->pod == "web-0");
  }
  SECTION("a pipe, which nobody writes to") {
    fs::create_directories(test.containerd(pod_hex));
    REQUIRE(mkfifo((test.containerd(pod_hex) / "config.json").c_str(), 0600) == 0);
    CHECK_THAT(test.error_of(pod_id), Catch::Contains("not a regular file"));
  }
  SECTION("bad JSON") {
    BundleFixture::write(test.containerd(pod_hex), config(containerd_pod()).substr(0, 100));
    CHECK_THAT(test.error_of(pod_id), Catch::Contains("config.json") && Catch::Contains("not valid JSON"));
    CHECK_FALSE(test.bundles.names(pod_id, {}));
  }
}
