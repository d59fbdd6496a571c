#include "host-probe/pods/pod_list.h"

#include <catch2/catch.hpp>

#include "host-probe/pods/pod_uid.h"

using namespace katameter;
using namespace katameter::host;

namespace {

ContainerId id(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

const std::string uid = "7d9a1c3e-0b2f-4a6d-8c5e-112233445566";

std::string cgroup_uid() {
  std::string text = uid;
  std::ranges::replace(text, '-', '_');
  return text;
}

// As the API server writes a pod, shortened.
std::string pod(const std::string& status) {
  return R"({"metadata": {"name": "web-0", "namespace": "shop", "uid": ")" + uid +
         R"(", "labels": {"name": "other", "uid": "other"}, "managedFields": [{"manager": "kubelet"}]},
             "spec": {"runtimeClassName": "kata", "nodeName": "node-1",
                      "initContainers": [{"name": "setup", "image": "busybox:1"}],
                      "containers": [{"name": "app", "image": "nginx:1.21", "env": [{"name": "image"}]},
                                     {"name": "proxy", "image": "registry/proxy@sha256:00"}]},
             "status": )" +
         status + "}";
}

std::string list(const std::string& items) {
  return R"({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [)" + items + "]}";
}

std::string container_id(char digit) {
  return "containerd://" + std::string(64, digit);
}

}  // namespace

TEST_CASE("a list of pods has their containers by id, with the images as the pods call them") {
  const auto pods = parse_pod_list(list(
      pod(R"({"initContainerStatuses": [{"name": "setup", "containerID": ")" + container_id('1') + R"("}],
          "containerStatuses": [{"name": "app", "image": "docker.io/library/nginx:1.21",
                                 "containerID": "cri-o://)" +
          std::string(64, '2') + R"(", "lastState": {"terminated": {"containerID": ")" + container_id('3') + R"("}}},
                                {"name": "proxy", "containerID": ""}, {"name": "app", "containerID": "containerd://x"},
                                {"containerID": ")" +
          container_id('4') + R"("}, null, 5],
          "ephemeralContainerStatuses": [{"name": "debug", "containerID": ")" +
          container_id('5') + R"("}]})")));
  REQUIRE(pods);
  const ListedPod expected{"shop",
                           "web-0",
                           "kata",
                           {{id('1'), {"setup", "busybox:1"}},
                            {id('2'), {"app", "nginx:1.21"}},
                            {id('3'), {"app", "nginx:1.21"}},
                            {id('5'), {"debug", ""}}}};
  CHECK(*pods == PodList{{uid, expected}});
}

TEST_CASE("what is not a list of pods is an error, and what is not a pod is left out") {
  for (const char* text :
       {"", "{", "[]", "null", "\"PodList\"",
        R"({"kind": "PodList"})"
        "x",
        R"({"items": []})", R"({"kind": "Status", "status": "Failure"})", R"({"kind": "PodList", "items": {}})",
        "{\"kind\": \"PodList\", \"items\": [{\"metadata\": {\"name\": \"\xff\"}}]}"}) {
    INFO(text);
    CHECK_FALSE(parse_pod_list(text));
  }
  CHECK(parse_pod_list(R"({"kind": "PodList", "items": null})"));
  const auto pods = parse_pod_list(list(R"(null, 3, [], {}, {"metadata": 1}, {"metadata": {"name": "a", "uid": "b"}},
      {"metadata": {"name": "a\n", "namespace": "n", "uid": "u"}},
      {"metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": [], "status": {"containerStatuses": {}}})"));
  REQUIRE(pods);
  CHECK(*pods == PodList{{"u", {"n", "a", "", {}}}});
  // Deep, which a parser that recurses does not survive.
  CHECK_FALSE(parse_pod_list(R"({"kind": "PodList", "items": )" + std::string(1'000'000, '[')));
}

TEST_CASE("a RuntimeClass has its handler") {
  const auto handlers = parse_runtime_classes(R"({"kind": "RuntimeClassList", "items": [
      {"metadata": {"name": "kata"}, "handler": "kata-qemu"}, {"metadata": {"name": "b"}}]})");
  REQUIRE(handlers);
  CHECK(*handlers == std::map<std::string, std::string>{{"kata", "kata-qemu"}, {"b", ""}});
  CHECK_FALSE(parse_runtime_classes(list("")));
}

TEST_CASE("a sandbox's cgroup names its pod") {
  const ContainerId sandbox = id('a');
  const std::string hex = sandbox.hex();
  for (const std::string& path : {"/kubepods/besteffort/pod" + uid + "/kata_" + hex, "kubepods/pod" + uid + "/" + hex,
                                  "kubepods-burstable-pod" + cgroup_uid() + ".slice:cri-containerd:" + hex,
                                  "/kata_kubepods-pod" + cgroup_uid() + ".slice:crio:" + hex,
                                  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + cgroup_uid() +
                                      ".slice/crio-" + hex + ".scope"}) {
    INFO(path);
    CHECK(pod_uid_in(path, sandbox) == uid);
  }
  for (const std::string& path :
       {std::string(), "/kata_overhead/" + hex, "/kubepods/pod" + uid + "/kata_" + id('b').hex(), "pod" + uid,
        "/kubepods/xpod" + uid + "/" + hex, "/kubepods/pod" + uid + "0/" + hex,
        "/kubepods/pod" + uid.substr(1) + "/" + hex,
        "/kubepods/pod" + cgroup_uid().substr(0, 20) + uid.substr(20) + "/" + hex, "/kubepods/pod/" + uid + "/" + hex,
        "/kubepods/pod7D9A1C3E" + uid.substr(8) + "/" + hex}) {
    INFO(path);
    CHECK_FALSE(pod_uid_in(path, sandbox));
  }
}

TEST_CASE("the cgroup is in the states of both runtimes") {
  CHECK(cgroup_path_in(R"({"State": "running", "SandboxCgroupPath": "/a", "OverheadCgroupPath": "/b"})") == "/a");
  CHECK(cgroup_path_in(R"({"sandbox_type": "virt_container", "resource": {"endpoint": [],
                           "cgroup_state": {"path": "/c", "overhead_path": "/d"}}})") == "/c");
  for (const char* text : {"", "{", "[]", R"({"resource": []})", R"({"resource": {"cgroup_state": null}})",
                           R"({"SandboxCgroupPath": 5, "resource": {"cgroup_state": {"path": {}}}})"}) {
    INFO(text);
    CHECK(cgroup_path_in(text).empty());
  }
}
