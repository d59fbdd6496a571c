#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <csignal>
#include <fstream>

#include "tests/node/host_probe.h"
#include "tests/node/kernel.h"
#include "tests/node/sandbox.h"

// What ends in a sandbox and around it, and what host-probe says then.

using namespace katameter;
using namespace katameter::host::testing;

namespace {

const std::string container(64, 'd');

struct Fixture {
  Fixture() {
    sandbox.wait_ready();
    REQUIRE(probe.becomes("katameter_sandbox_vmm_found", of_it, 1));
  }

  double total() const { return probe.scrape().sum("katameter_sandbox_host_cpu_seconds_total", of_it); }
  double guest_kills() const { return probe.scrape().sum("katameter_guest_oom_kills_total", of_it); }
  bool guest_probe_becomes(double up) { return probe.becomes("katameter_guest_probe_up", of_it, up); }

  HostProbe probe;
  Sandbox sandbox{{.start = "none"}};
  const Scrape::Labels of_it{{"sandbox_id", sandbox.id().hex()}};
};

}  // namespace

TEST_CASE("A late guest, an OOM kill in it, and probes, shim and VMM that are killed") {
  Fixture test;
  const std::string kills_of_kernel =
      "awk '/^oom_kill / { print $2 }' /sys/fs/cgroup/memory/cri-containerd/" + container + "/memory.oom_control";

  // Of a guest without guest-probe the host's values are there.
  CHECK(test.total() > 0);
  CHECK(test.probe.scrape().sum("katameter_guest_probe_up", test.of_it) == 0);
  test.sandbox.run("guest-probe start");
  REQUIRE(test.guest_probe_becomes(1));

  test.sandbox.run("make_container " + container + "; limit_memory " + container + " 16");
  const std::string hog = "run_in " + container + " 'dd if=/dev/zero of=/dev/null bs=64M count=1' || true";
  test.sandbox.run(hog);
  const Scrape::Labels of_container{{"id", "/kata/" + test.sandbox.id().hex() + "/" + container}};
  CHECK(test.probe.becomes("container_oom_events_total", of_container, std::stod(test.sandbox.run(kills_of_kernel))));
  CHECK(test.guest_kills() == 1);

  // Killed in the guest, with a kill of the kernel's meanwhile.
  test.sandbox.run("kill -9 $(pidof guest-probe)");
  CHECK(test.guest_probe_becomes(0));
  test.sandbox.run(hog);
  test.sandbox.run("guest-probe start");
  CHECK(test.guest_probe_becomes(1));
  CHECK(std::stod(test.sandbox.run(kills_of_kernel)) == 2);
  CHECK(test.probe.becomes("container_oom_events_total", of_container, 2));
  CHECK(test.guest_kills() == 2);

  // The shim: its VM goes on, and is its sandbox's also for the next host-probe.
  const auto shims = test.sandbox.processes("containerd-shim");
  REQUIRE(shims.size() == 1);
  const double before = test.total();
  kill(shims.front(), SIGKILL);
  test.sandbox.run("true");
  CHECK(test.total() > before);
  kill(test.probe.program().pid(), SIGKILL);
  HostProbe next;
  CHECK(next.becomes("katameter_sandbox_vmm_found", test.of_it, 1));
  CHECK(next.becomes("container_oom_events_total", of_container, 2));

  // The node's kernel kills the VMM.
  const pid_t vmm = test.sandbox.vmm();
  std::ofstream(test.sandbox.cgroups().front() / "memory.max") << "8M\n";
  std::ofstream("/sys/fs/cgroup/kata_overhead/" + test.sandbox.id().hex() + "/memory.max") << "8M\n";
  CHECK(next.becomes("katameter_host_oom_kills_total", {{"sandbox_id", test.sandbox.id().hex()}, {"role", "vmm"}}, 1));
  CHECK(next.becomes("katameter_sandbox_host_memory_bytes", test.of_it, NAN));
  CHECK_FALSE(std::filesystem::exists("/proc/" + std::to_string(vmm) + "/exe"));
}

TEST_CASE("A guest without memory, and virtiofsd and a VMM that are killed", "[all]") {
  HostProbe probe;
  Sandbox sandbox;
  const Scrape::Labels of_it{{"sandbox_id", sandbox.id().hex()}};
  const Scrape::Labels of_virtiofsd{{"sandbox_id", sandbox.id().hex()}, {"component", "virtiofsd"}};
  sandbox.wait_ready();
  REQUIRE(probe.becomes("katameter_guest_probe_up", of_it, 1));

  // Each of them fits into the guest.
  const std::string hog = "dd if=/dev/zero of=/dev/null bs=150M count=5";
  sandbox.run("make_container " + container + "; run_in " + container + " '" + hog + " & " + hog + "; wait' || true");
  const double kills = std::stod(sandbox.run("awk '/^oom_kill / { print $2 }' /proc/vmstat"));
  CHECK(kills > 0);
  CHECK(probe.becomes("katameter_guest_oom_kills_total", {{"sandbox_id", sandbox.id().hex()}, {"class", "guest"}},
                      kills));

  const auto virtiofsd = sandbox.processes("virtiofsd");
  REQUIRE(virtiofsd.size() == 2);
  const double used = probe.scrape().sum("katameter_sandbox_cpu_seconds_total", of_virtiofsd);
  CHECK(used > 0);
  for (const pid_t pid : virtiofsd) kill(pid, SIGKILL);
  CHECK(probe.becomes("katameter_process_memory_bytes", {{"sandbox_id", sandbox.id().hex()}, {"role", "virtiofsd"}},
                      NAN));
  const Scrape without = probe.scrape();
  CHECK(without.sum("katameter_sandbox_cpu_seconds_total", of_virtiofsd) >= used);
  CHECK(without.sum("katameter_guest_probe_up", of_it) == 1);
  const double total = without.sum("katameter_sandbox_host_cpu_seconds_total", of_it);

  kill(sandbox.vmm(), SIGKILL);
  CHECK(probe.becomes("katameter_sandbox_host_memory_bytes", of_it, NAN));
  CHECK(probe.scrape().sum("katameter_node_sandbox_cpu_seconds_total") >= total);
}

TEST_CASE("A guest that reboots in its VMM is another run of the guest, and the host's figures go on", "[all]") {
  HostProbe probe;
  Sandbox sandbox({.layout = "clh"});
  const Scrape::Labels of_it{{"sandbox_id", sandbox.id().hex()}};
  sandbox.wait_ready();
  REQUIRE(probe.becomes("katameter_guest_probe_up", of_it, 1));
  sandbox.run("make_container " + container);
  const pid_t vmm = sandbox.vmm();
  const double total = probe.scrape().sum("katameter_sandbox_host_cpu_seconds_total", of_it);

  sandbox.reboot();
  CHECK(sandbox.vmm() == vmm);
  REQUIRE(probe.becomes("katameter_guest_probe_up", of_it, 1));
  CHECK(probe.scrape().sum("katameter_sandbox_host_cpu_seconds_total", of_it) > total);
  // A container of the same id has begun anew, and has no OOM kill and no CPU time of the one before.
  const double counted =
      std::stod(sandbox.run("make_container " + container + "; burn_in " + container + " 1; cpu_of " + container)) /
      1e9;
  const double measured = probe.scrape().sum("container_cpu_usage_seconds_total",
                                             {{"id", "/kata/" + sandbox.id().hex() + "/" + container}});
  CHECK(std::abs(measured - counted) < 1.1e-6);
}
