#include "host-probe/pods/cri.h"

#include <cri.pb.h>

#include <array>
#include <catch2/catch.hpp>
#include <random>

#include "tests/host-probe/pods/ids.h"

using namespace katameter;
using namespace katameter::host;

TEST_CASE("an endpoint is a Unix socket, as kubelet writes it or as a path") {
  CHECK(parse_runtime_endpoint("unix:///run/containerd/containerd.sock").value() == "/run/containerd/containerd.sock");
  CHECK(parse_runtime_endpoint("/run/crio/crio.sock").value() == "/run/crio/crio.sock");
  for (const char* wrong : {"", "/", "unix://", "unix://run/x.sock", "tcp://127.0.0.1:10010", "containerd.sock"}) {
    INFO(wrong);
    const auto parsed = parse_runtime_endpoint(wrong);
    REQUIRE_FALSE(parsed);
    CHECK_THAT(parsed.error().text, Catch::Contains("unix:///run/containerd/containerd.sock"));
  }
}

TEST_CASE("without configured endpoints the usual places below the run root are tried") {
  const auto usual = runtime_endpoints({}, "/host/run");
  REQUIRE(usual.size() == 5);
  CHECK(usual[0].socket == "/host/run/containerd/containerd.sock");
  CHECK(usual[1].socket == "/host/run/crio/crio.sock");
  CHECK(usual[2].socket == "/host/run/k3s/containerd/containerd.sock");
  CHECK(usual[3].socket == "/host/run/k0s/containerd.sock");
  CHECK(usual[4].socket == "/host/var/snap/microk8s/common/run/containerd.sock");
  CHECK(runtime_endpoints({}, "/run").back().socket == "/var/snap/microk8s/common/run/containerd.sock");
  CHECK(runtime_endpoints({}, "/run/").back().socket == "/var/snap/microk8s/common/run/containerd.sock");
  CHECK_FALSE(usual[0].configured);
  const auto configured = runtime_endpoints({"unix:///a.sock", "/b.sock"}, "/host/run");
  REQUIRE(configured.size() == 2);
  CHECK(configured[0].socket == "/a.sock");
  CHECK(configured[1].socket == "/b.sock");
  CHECK(configured[1].configured);
  CHECK(runtime_endpoints({"none"}, "/host/run").empty());
}

namespace {

const std::string other_hex(64, 'b');
const ContainerId other_id = *ContainerId::from_hex(other_hex);
const std::string image_id = "sha256:" + std::string(64, 'e');

CriListing listing_of(const CriListing::Container& container) {
  CriListing listing;
  listing.pods = {{pod_hex, "shop", "web-0", "kata", "uid-of-web-0"}, {other_hex, "shop", "db-0", ""}};
  listing.containers = {container};
  listing.images = {
      {image_id, {"docker.io/library/nginx:1.21", "nginx:same"}, {"docker.io/library/nginx@sha256:1"}, false},
      {"sha256:pause", {"registry.k8s.io/pause:3.9"}, {}, true}};
  return listing;
}

std::string image_of(const CriListing::Container& container) {
  return names_in(listing_of(container), {{pod_id, {}}}).at(pod_id).containers.at(app_id).image;
}

}  // namespace

TEST_CASE("names of the sandboxes that were asked for, with all of their containers") {
  const NamesBySandbox names =
      names_in(listing_of({app_hex, pod_hex, "app", image_id, image_id, "", ""}), {{pod_id, {}}});
  REQUIRE(names.size() == 1);
  const SandboxNames& sandbox = names.at(pod_id);
  CHECK(sandbox.pod == "web-0");
  CHECK(sandbox.pod_namespace == "shop");
  CHECK(sandbox.runtime_handler == "kata");
  CHECK(sandbox.uid == "uid-of-web-0");
  CHECK(sandbox.image == "registry.k8s.io/pause:3.9");
  CHECK(sandbox.containers.at(app_id).name == "app");
}

TEST_CASE("a container is found under its own pod only, whoever claims it") {
  const NamesBySandbox names =
      names_in(listing_of({app_hex, other_hex, "app", "", "", "", ""}), {{pod_id, {app_id}}, {other_id, {}}});
  CHECK(names.at(pod_id).containers.empty());
  CHECK(names.at(other_id).containers.contains(app_id));
}

TEST_CASE("an image is called as the pod calls it") {
  CHECK(image_of({app_hex, pod_hex, "app", image_id, image_id, image_id, "nginx:1.21"}) == "nginx:1.21");
  CHECK(image_of({app_hex, pod_hex, "app", "nginx:same", image_id, "", ""}) == "nginx:same");
  // By a digest, because the pod wants it so.
  const std::string digest = "nginx@sha256:" + std::string(64, '1');
  CHECK(image_of({app_hex, pod_hex, "app", image_id, image_id, "", digest}) == digest);
}

TEST_CASE("an image that was asked for by its id is called by its first tag") {
  const std::string tag = "docker.io/library/nginx:1.21";
  CHECK(image_of({app_hex, pod_hex, "app", image_id, "", "", ""}) == tag);
  CHECK(image_of({app_hex, pod_hex, "app", std::string(64, 'e'), image_id, "", ""}) == tag);
  CHECK(image_of({app_hex, pod_hex, "app", image_id, "docker.io/library/nginx@sha256:1", "", ""}) == tag);
  CHECK(image_of({app_hex, pod_hex, "app", "docker.io/library/nginx@sha256:1", "x", image_id, ""}) == tag);
}

TEST_CASE("an image that the runtime does not list any more is called as the pod called it, else by its id") {
  CHECK(image_of({app_hex, pod_hex, "app", "sha256:gone", "sha256:gone", "", "nginx:1.21"}) == "nginx:1.21");
  CHECK(image_of({app_hex, pod_hex, "app", "nginx:1.20", "sha256:gone", "", ""}) == "nginx:1.20");
  CHECK(image_of({app_hex, pod_hex, "app", "sha256:gone", "sha256:gone", "", ""}) == "sha256:gone");
}

TEST_CASE("an image without a tag is called by its digest") {
  CriListing listing = listing_of({app_hex, pod_hex, "app", image_id, "", "", ""});
  listing.images[0].tags.clear();
  CHECK(names_in(listing, {{pod_id, {}}}).at(pod_id).containers.at(app_id).image == "docker.io/library/nginx@sha256:1");
}

TEST_CASE("which image is the pause image is not guessed") {
  CriListing listing = listing_of({app_hex, pod_hex, "app", "", "", "", ""});
  listing.images[0].pinned = true;
  CHECK(names_in(listing, {{pod_id, {}}}).at(pod_id).image.empty());
  listing.images[0].pinned = listing.images[1].pinned = false;
  CHECK(names_in(listing, {{pod_id, {}}}).at(pod_id).image.empty());
}

TEST_CASE("names that are no names, and ids that are no ids, cost nobody else anything") {
  CriListing listing = listing_of({app_hex, pod_hex, "a\xffpp", "im\nage", "", "", ""});
  listing.pods.push_back({"not an id", "shop", "x", ""});
  listing.containers.push_back({"short", pod_hex, "y", "", "", "", ""});
  listing.containers.push_back({std::string(64, '2'), "nonsense", "z", "", "", "", ""});
  const NamesBySandbox names = names_in(listing, {{pod_id, {}}, {other_id, {}}});
  CHECK(names.size() == 2);
  CHECK(names.at(pod_id).containers == std::map<ContainerId, SandboxNames::Container>{{app_id, {"", ""}}});
}

// protoc's code writes, ours reads: cri.proto is the contract.

namespace {

std::string some_pods() {
  cri::ListPodSandboxResponse answer;
  cri::PodSandbox& pod = *answer.add_items();
  pod.set_id("an id");
  pod.mutable_metadata()->set_name("web-0");
  pod.mutable_metadata()->set_uid("uid-of-web-0");
  pod.mutable_metadata()->set_namespace_("shop");
  pod.set_runtime_handler("kata");
  answer.add_items()->set_id("another");
  answer.mutable_items(1)->set_state(1);
  return answer.SerializeAsString();
}

std::string some_containers() {
  cri::ListContainersResponse answer;
  cri::Container& container = *answer.add_containers();
  container.set_id("an id");
  container.set_pod_sandbox_id("a pod's");
  container.mutable_metadata()->set_name("app");
  container.mutable_image()->set_image("sha256:1");
  container.mutable_image()->set_user_specified_image("nginx:1.21");
  container.set_image_ref("sha256:2");
  container.set_image_id("sha256:3");
  return answer.SerializeAsString();
}

std::string some_status() {
  cri::StatusResponse answer;
  (*answer.mutable_info())["config"] =
      R"({"containerd": {"runtimes": {"kata": {"runtimeType": "io.containerd.kata.v2"}}}})";
  return answer.SerializeAsString();
}

std::string some_stats() {
  cri::ListContainerStatsResponse answer;
  cri::ContainerStats& stats = *answer.add_stats();
  stats.mutable_attributes()->set_id("an id");
  stats.mutable_cpu()->mutable_usage_core_nano_seconds()->set_value(1);
  stats.mutable_memory()->mutable_working_set_bytes()->set_value(2);
  stats.mutable_memory()->mutable_usage_bytes()->set_value(3);
  stats.mutable_memory()->mutable_rss_bytes()->set_value(4);
  stats.mutable_memory()->mutable_page_faults()->set_value(5);
  stats.mutable_memory()->mutable_major_page_faults()->set_value(0);
  stats.mutable_writable_layer()->mutable_used_bytes()->set_value(6);
  stats.mutable_writable_layer()->mutable_inodes_used()->set_value(7);
  answer.add_stats()->mutable_attributes()->set_id("another");
  return answer.SerializeAsString();
}

std::string some_images() {
  cri::ListImagesResponse answer;
  cri::Image& image = *answer.add_images();
  image.set_id("sha256:1");
  image.add_repo_tags("nginx:1.21");
  image.add_repo_tags("nginx:latest");
  image.add_repo_digests("nginx@sha256:4");
  image.set_pinned(true);
  answer.add_images()->set_id("sha256:5");
  return answer.SerializeAsString();
}

}  // namespace

TEST_CASE("statistics are read as the schema says, and what is not in them is absent") {
  CriListing listing;
  REQUIRE(decode_stats(some_stats(), listing));
  REQUIRE(listing.stats.size() == 2);
  CHECK(listing.stats[0].container_id == "an id");
  const ContainerStats& values = listing.stats[0].values;
  CHECK(values.cpu_ns == 1u);
  CHECK(values.working_set_bytes == 2u);
  CHECK(values.usage_bytes == 3u);
  CHECK(values.rss_bytes == 4u);
  CHECK(values.page_faults == 5u);
  CHECK(values.major_page_faults == 0u);
  CHECK(values.layer_bytes == 6u);
  CHECK(values.layer_inodes == 7u);
  CHECK_FALSE(listing.stats[1].values.cpu_ns);
  CHECK_FALSE(listing.stats[1].values.layer_bytes);
}

TEST_CASE("statistics are a pod's by the runtime's list of containers, each container's once") {
  CriListing listing = listing_of({app_hex, pod_hex, "app", "", "", "", ""});
  const auto add = [&](const std::string& id, std::uint64_t cpu_ns) {
    listing.stats.push_back({id, {}});
    listing.stats.back().values.cpu_ns = cpu_ns;
  };
  add(app_hex, 5);
  add(app_hex, 6);
  add(std::string(64, '9'), 7);  // of no container
  add("not an id", 8);
  const StatsBySandbox stats = stats_in(listing);
  REQUIRE(stats.size() == 1);
  REQUIRE(stats.at(pod_id).size() == 1);
  CHECK(stats.at(pod_id)[0].id == app_id);
  CHECK(stats.at(pod_id)[0].cpu_ns == 5u);
}

TEST_CASE("pods are read as the schema says") {
  CriListing listing;
  REQUIRE(decode_pods(some_pods(), listing));
  REQUIRE(listing.pods.size() == 2);
  CHECK(listing.pods[0].id == "an id");
  CHECK(listing.pods[0].name == "web-0");
  CHECK(listing.pods[0].pod_namespace == "shop");
  CHECK(listing.pods[0].runtime_handler == "kata");
  CHECK(listing.pods[0].uid == "uid-of-web-0");
  CHECK(listing.pods[0].ready);
  CHECK(listing.pods[1].id == "another");
  CHECK_FALSE(listing.pods[1].ready);
  CHECK(listing.pods[1].name.empty());
}

namespace {

std::string status_with(const std::string& config) {
  cri::StatusResponse answer;
  (*answer.mutable_info())["golang"] = "\"go1.22\"";
  (*answer.mutable_info())["config"] = config;
  return answer.SerializeAsString();
}

}  // namespace

TEST_CASE("a handler is Kata's by its shim, whatever it is called") {
  // As containerd 1.6 to 2.2 have it, shortened.
  const std::string config =
      R"({"containerd": {"snapshotter": "overlayfs", "defaultRuntimeName": "sandboxed", "runtimes": {
    "runc": {"runtimeType": "io.containerd.runc.v2", "runtimePath": "", "options": {"BinaryName": ""}},
    "sandboxed": {"runtimeType": "io.containerd.kata.v2", "runtimePath": ""},
    "kata-qemu": {"runtimeType": "io.containerd.kata-qemu.v2", "runtimePath": "/opt/kata/bin/containerd-shim-kata-v2"},
    "gpu": {"runtimeType": "io.containerd.gpu.v2", "runtimePath": "/opt/kata/runtime-rs/bin/containerd-shim-kata-v2"},
    "kata-not": {"runtimeType": "io.containerd.runc.v2", "runtimePath": "/usr/bin/containerd-shim-runc-v2"},
    "wrapped": {"runtimeType": "io.containerd.kata.v2", "runtimePath": "/usr/local/bin/wrapper"},
    "odd": 7}}, "sandboxImage": "pause:3"})";
  CriListing listing;
  REQUIRE(decode_status(status_with(config), listing));
  CHECK(listing.kata_handlers == std::map<std::string, bool>{{"", true},
                                                             {"gpu", true},
                                                             {"kata-not", false},
                                                             {"kata-qemu", true},
                                                             {"runc", false},
                                                             {"sandboxed", true},
                                                             {"wrapped", true}});
  listing.pods = {{pod_hex, "", "", "gpu", "", true},
                  {other_hex, "", "", "", "", true},
                  {std::string(64, 'c'), "", "", "unheard-of", "", true},
                  {std::string(64, 'd'), "", "", "gpu", "", false},
                  {"not an id", "", "", "gpu", "", true}};
  const auto running = running_in(listing);
  REQUIRE(running.size() == 3);
  CHECK(running[0].id == pod_id);
  CHECK(running[0].kata == true);
  CHECK(running[1].kata == true);
  CHECK_FALSE(running[2].kata.has_value());
}

TEST_CASE("a status without a configuration that is known tells of no handler") {
  for (const char* config : {"", "{", "7", "[]", "{\"sandboxImage\": \"pause:3\"}", "{\"containerd\": 7}",
                             "{\"containerd\": {\"runtimes\": []}}"}) {
    INFO(config);
    CriListing listing;
    CHECK(decode_status(status_with(config), listing));
    CHECK(listing.kata_handlers.empty());
  }
  CriListing listing;
  CHECK_FALSE(decode_status("\x12\xff", listing));
}

TEST_CASE("containers are read as the schema says") {
  CriListing listing;
  REQUIRE(decode_containers(some_containers(), listing));
  REQUIRE(listing.containers.size() == 1);
  const CriListing::Container& container = listing.containers[0];
  CHECK(container.id == "an id");
  CHECK(container.pod_id == "a pod's");
  CHECK(container.name == "app");
  CHECK(container.image == "sha256:1");
  CHECK(container.specified_image == "nginx:1.21");
  CHECK(container.image_ref == "sha256:2");
  CHECK(container.image_id == "sha256:3");
}

TEST_CASE("images are read as the schema says") {
  CriListing listing;
  REQUIRE(decode_images(some_images(), listing));
  REQUIRE(listing.images.size() == 2);
  CHECK(listing.images[0].id == "sha256:1");
  CHECK(listing.images[0].tags == std::vector<std::string>{"nginx:1.21", "nginx:latest"});
  CHECK(listing.images[0].digests == std::vector<std::string>{"nginx@sha256:4"});
  CHECK(listing.images[0].pinned);
  CHECK_FALSE(listing.images[1].pinned);
}

TEST_CASE("an empty answer is an empty list") {
  CriListing listing;
  CHECK(decode_pods("", listing));
  CHECK(decode_containers("", listing));
  CHECK(decode_images("", listing));
  CHECK(listing.pods.empty());
}

TEST_CASE("an answer that is cut off is an error, wherever it is cut") {
  const std::string whole = some_containers();
  for (std::size_t length = 1; length < whole.size(); ++length) {
    CriListing listing;
    const Status status = decode_containers(whole.substr(0, length), listing);
    CAPTURE(length);
    REQUIRE_FALSE(status);
    CHECK_THAT(status.error().text, Catch::Contains("protobuf"));
  }
}

TEST_CASE("whatever comes instead of an answer does no harm") {
  std::minstd_rand random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = std::array{some_pods, some_containers, some_images, some_status}.at(round % 4)();
    for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    CriListing listing;
    for (const auto decode : {decode_pods, decode_containers, decode_images, decode_status}) {
      static_cast<void>(decode(bytes, listing).has_value());
    }
  }
}
