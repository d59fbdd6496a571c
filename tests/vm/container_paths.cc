#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string uid = "1b2c3d4e_5f60_7182_93a4_b5c6d7e8f901";

std::string below_slices(const std::string& leaf) {
  return "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uid + ".slice/" + leaf;
}

}  // namespace

// Every form in which the Kata agent names a container's cgroup, by release, runtime, and who is the guest's init.
TEST_CASE("A container is known by every form of its cgroup's path", "[any][paths]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  std::uint64_t number = 1000;
  for (const std::string& form : {
           std::string("/cri-containerd/ID"),
           std::string("/crio/ID"),
           std::string("/k8s.io/ID"),
           std::string("/default/ID"),
           std::string("/ID"),
           "/kubepods/burstable/pod" + uid + "/ID",
           "/kubepods/pod" + uid + "/ID",
           below_slices("cri-containerd-ID.scope"),
           below_slices("crio-ID.scope"),
           "/kubepods-burstable-pod" + uid + ".slice/cri-containerd/ID",
           std::string("/system.slice/docker-ID.scope"),
           std::string("/machine.slice/libpod-ID.scope"),
           std::string("/system.slice/nerdctl-ID.scope"),
           std::string("/system.slice/kata_agent-ID.scope"),
           // As kubelet's --cgroup-root makes them: 263 bytes.
           "/k8s.slice/k8s-workloads.slice/k8s-workloads-kubepods.slice/k8s-workloads-kubepods-burstable.slice/"
           "k8s-workloads-kubepods-burstable-pod" +
               uid + ".slice/cri-containerd-ID.scope",
       }) {
    INFO(form);
    const std::string id = numbered_id(number++);
    std::string path = form;
    path.replace(path.find("ID"), 2, id);
    TestCgroup cgroup(id, path);
    {
      Workload workload(cgroup);
      workload.touch_anonymous(50);
      workload.burn_cpu_ms(5);
      const CpuFile before = CpuFile::read(cgroup);
      const auto row = find_container(host.collect(), id);
      const CpuFile after = CpuFile::read(cgroup);
      REQUIRE(row);
      CHECK(row->cgroup == path);
      CHECK(lies_between(before, *row->cpu_usage_ns, after));
      CHECK(*row->memory_usage_bytes >= 50 * 4096);
    }
    cgroup.remove();
    const auto row = find_container(host.collect(), id);
    REQUIRE(row);
    CHECK(row->removed);
    CHECK(row->cgroup == path);
    CHECK(*row->memory_peak_bytes >= 50 * 4096);
  }
}

TEST_CASE("What is no container's cgroup is no container", "[any][paths]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  const std::size_t rows = host.collect().containers.size();
  const std::string id = numbered_id(2000);
  const TestCgroup service(id, "/system.slice/kata-agent.service");
  const TestCgroup shorter(id, "/cri-containerd/" + id.substr(1));
  const TestCgroup no_hex(id, "/cri-containerd/" + id.substr(1) + "g");
  const Workload workload(service);
  CHECK(host.collect().containers.size() == rows);
}

TEST_CASE("A tree of cgroups inside a container is the container's: systemd's, and Docker's with ids of its own",
          "[any][nested]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  const std::string id = numbered_id(3000);
  const std::string inner = numbered_id(3001);
  const std::string path = "/cri-containerd/" + id;
  const TestCgroup container(id, path);
  const TestCgroup slice(inner, path + "/system.slice");
  const TestCgroup docker(inner, path + "/docker");
  std::uint64_t burnt_ns = 0;
  for (const std::string& below : {std::string("/init.scope"), std::string("/system.slice/nginx.service"),
                                   "/docker/" + inner, "/system.slice/docker-" + inner + ".scope"}) {
    INFO(below);
    {
      const TestCgroup nested(inner, path + below);
      Workload workload(nested);
      workload.touch_anonymous(40);
      workload.burn_cpu_ms(20);
      burnt_ns += 20'000'000;
      const CpuFile before = CpuFile::read(container);
      const wire::Snapshot snapshot = host.collect();
      const CpuFile after = CpuFile::read(container);
      CHECK_FALSE(find_container(snapshot, inner));
      const auto row = find_container(snapshot, id);
      REQUIRE(row);
      CHECK(row->cgroup == path);
      CHECK(*row->cpu_usage_ns >= burnt_ns);
      CHECK(lies_between(before, *row->cpu_usage_ns, after));
      CHECK(*row->memory_rss_bytes >= 40 * 4096);
    }
    const wire::Snapshot snapshot = host.collect();
    CHECK_FALSE(find_container(snapshot, inner));
    CHECK(*find_container(snapshot, id)->cpu_usage_ns >= burnt_ns);
  }
}
