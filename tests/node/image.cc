#include <sys/mount.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/host-probe/pods/containerd.h"
#include "tests/node/chart_pod.h"
#include "tests/node/host_probe.h"
#include "tests/node/run_containerd.h"
#include "tests/node/sandbox.h"

// The container image in a containerd, with the settings of the pod that Helm renders of the chart, beside sandboxes under
// KVM.

using namespace katameter;
using namespace katameter::host::testing;
namespace fs = std::filesystem;

namespace {

/// What in_node.sh has made.
fs::path given(const char* variable) {
  const char* value = std::getenv(variable);
  REQUIRE(value != nullptr);
  return value;
}

/// A directory for a containerd whose snapshots are overlays, on a node as systemd leaves it: all mounts are shared. Pods of
/// it have a network.
fs::path node_directory() {
  REQUIRE(mount(nullptr, "/", nullptr, MS_SHARED | MS_REC, nullptr) == 0);
  const fs::path directory = "/run/node";
  fs::create_directories(directory / "cni");
  for (const char* plugin : {"loopback", "ptp", "host-local"}) {
    fs::create_symlink(fs::path("/usr/lib/cni") / plugin, directory / "cni" / plugin);
  }
  std::ofstream(directory / "cni" / "pods.conflist") << R"({"cniVersion": "0.4.0", "name": "pods", "plugins": [
    {"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.88.0.0/24"}}]})";
  return directory;
}

/// The profile with the answer to AF_VSOCK that containerd's own gives from 1.7 on. That of 1.6, which is Debian's, allows it.
void deny_vsock(const fs::path& profile, const fs::path& copy) {
  auto rules = nlohmann::json::parse(contents(profile));
  int found = 0;
  for (auto& rule : rules.at("syscalls")) {
    if (rule.at("names") != nlohmann::json::array({"socket"}) || rule.at("args").at(0).at("value") != AF_VSOCK)
      continue;
    rule["action"] = "SCMP_ACT_ERRNO";
    rule["errnoRet"] = EPERM;
    ++found;
  }
  REQUIRE(found == 1);
  std::ofstream(copy) << rules;
}

/// A pod that containerd has, with one container, and the VM that stands for it.
struct Workload {
  Workload(Containerd& containerd, const std::string& pod_name, const std::string& its_layout,
           const std::string& its_reach)
      : pod(containerd.run_pod("shop", pod_name)),
        app(containerd.run_container(pod, "app-of-" + pod_name, "katameter.test/sleeper:2")),
        name(pod_name),
        reach(its_reach),
        sandbox({.layout = its_layout, .shim = false, .id = pod}) {}

  /// It is found, named, and its container's figures are those of its guest's kernel, an OOM kill included.
  void check(const std::string& address) {
    INFO(name);
    sandbox.wait_ready();
    CHECK(becomes(address, "katameter_sandbox_info",
                  {{"sandbox_id", pod.hex()},
                   {"namespace", "shop"},
                   {"pod", name},
                   {"runtime_handler", "kata"},
                   {"reach", reach}},
                  1));
    REQUIRE(becomes(address, "katameter_guest_probe_up", of_it, 1));
    const std::string id = app.hex();
    sandbox.run("make_container " + id + "; limit_memory " + id + " 16");
    sandbox.run("run_in " + id + " 'dd if=/dev/zero of=/dev/null bs=64M count=1' || true");
    CHECK(becomes(address, "container_oom_events_total", of_container, 1));
    const double counted = std::stod(sandbox.run("burn_in " + id + " 2; cpu_of " + id)) / 1e9;
    const Scrape scrape(address);
    CHECK(std::abs(scrape.sum("container_cpu_usage_seconds_total", of_container) - counted) < 1.1e-6);
    for (const char* role : {"vcpu", "vmm", "virtiofsd"}) {
      INFO(role);
      CHECK(scrape.sum("katameter_process_cpu_seconds_total", {{"sandbox_id", pod.hex()}, {"role", role}}) > 0);
    }
  }

  ContainerId pod;
  ContainerId app;
  std::string name;
  std::string reach;
  Sandbox sandbox;
  const Scrape::Labels of_it{{"sandbox_id", pod.hex()}};
  const Scrape::Labels of_container{{"id", "/kata/" + pod.hex() + "/" + app.hex()},
                                    {"namespace", "shop"},
                                    {"pod", name},
                                    {"container", "app-of-" + name},
                                    {"image", "katameter.test/sleeper:2"}};
};

}  // namespace

TEST_CASE("The image serves as the chart has it started, with both kinds of vsock, and says what denies it",
          "[image]") {
  const fs::path directory = node_directory();
  const AtRunContainerd mounted(directory / "run" / "containerd");
  Containerd containerd(directory, "overlayfs");
  containerd.start();
  containerd.add_images(given("IMAGE"));
  // Before any sandbox: they are found as they come.
  auto first = std::make_unique<ChartPod>(containerd, given("CHART_PODS") / "default.json");
  first->wait_ready();
  Workload qemu(containerd, "web-0", "qemu", "af_vsock");
  qemu.check(first->address());
  Workload clh(containerd, "db-0", "clh", "hybrid_vsock");
  clh.check(first->address());
  CHECK(first->stop() == 0);
  CHECK(alarms_in(first->log()) == std::string());
  CHECK(fs::exists("/var/lib/katameter/overhead.json"));
  first.reset();

  // Under a profile that denies AF_VSOCK only that guest is not reached. The sandboxes are there already.
  deny_vsock("/var/lib/kubelet/seccomp/katameter/host-probe.json", "/var/lib/kubelet/seccomp/no-vsock.json");
  const ChartPod pod(containerd, given("CHART_PODS") / "no-vsock.json");
  pod.wait_ready();
  CHECK(becomes(pod.address(), "katameter_guest_probe_up", clh.of_it, 1));
  CHECK(becomes(pod.address(), "katameter_guest_probe_up", qemu.of_it, 0));
  CHECK(pod.says("has to allow AF_VSOCK"));
  CHECK(Scrape(pod.address())
            .has("katameter_guest_frames_rejected_total", {{"sandbox_id", qemu.pod.hex()}, {"reason", "unreachable"}}));
}
