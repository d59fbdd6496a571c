#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>

#include "tests/node/host_probe.h"
#include "tests/node/sandbox.h"

// The Debian package in a node whose pid 1 is systemd (vmtest/guest/under-systemd.sh), with a sandbox under KVM.

using namespace katameter;
using namespace katameter::host::testing;

namespace {

const std::string address = "127.0.0.1:9717";
const std::string unit = "katameter-host-probe.service";
const std::string container(64, 'f');

/// What a command of the node's shell prints, in the root that systemd has; fails the test if the command fails.
std::string on_node(const std::string& command) {
  INFO(command);
  std::string said;
  FILE* pipe = popen(("chroot /proc/1/root sh -c '" + command + "' 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  for (int byte = fgetc(pipe); byte != EOF; byte = fgetc(pipe)) said += static_cast<char>(byte);
  const int status = pclose(pipe);
  INFO(said);
  REQUIRE(status == 0);
  return said;
}

std::string property(const std::string& name) {
  std::string value = on_node("systemctl show --value -p " + name + " " + unit);
  value.erase(value.find_last_not_of('\n') + 1);
  return value;
}

/// The value of a line of /proc/<pid>/status.
std::string status_of(const std::string& pid, const std::string& key) {
  const std::string status = contents("/proc/" + pid + "/status");
  const std::string line = "\n" + key + ":\t";
  const std::size_t begin = status.find(line);
  REQUIRE(begin != std::string::npos);
  return status.substr(begin + line.size(), status.find('\n', begin + 1) - begin - line.size());
}

/// The unit is what the tree has, with nothing added to it, and its process has what the unit leaves it.
void check_unit() {
  CHECK(property("ActiveState") == "active");
  CHECK(property("NRestarts") == "0");
  CHECK(property("DropInPaths").empty());
  CHECK(contents("/proc/1/root" + property("FragmentPath")) == contents(PACKAGED_UNIT));
  const std::string pid = property("MainPID");
  CHECK(status_of(pid, "CapEff") == "000000c000000000");  // CAP_PERFMON and CAP_BPF
  CHECK(status_of(pid, "NoNewPrivs") == "1");
  CHECK(status_of(pid, "Seccomp") == "2");
}

}  // namespace

TEST_CASE("The packaged unit serves a sandbox and its guest's containers, without a warning, and again when restarted",
          "[packaged]") {
  REQUIRE(contents("/proc/1/comm") == "systemd\n");
  // Without what it depends on: the libraries are there, their packages are not (tests/init/prepare_packages.sh).
  on_node("dpkg --install --force-depends --force-unsafe-io /packages/katameter-host_*.deb");
  check_unit();  // what dpkg has waited for
  CHECK(Scrape(address).sum("katameter_sandboxes") == 0);

  Sandbox sandbox;
  const std::string id = "/kata/" + sandbox.id().hex() + "/" + container;
  const Scrape::Labels of_it{{"sandbox_id", sandbox.id().hex()}};
  sandbox.wait_ready();
  CHECK(becomes(address, "katameter_sandbox_info", {{"sandbox_id", sandbox.id().hex()}, {"reach", "af_vsock"}}, 1));
  REQUIRE(becomes(address, "katameter_guest_probe_up", of_it, 1));

  sandbox.run("make_container " + container + "; limit_memory " + container + " 16");
  sandbox.run("run_in " + container + " 'dd if=/dev/zero of=/dev/null bs=64M count=1' || true");
  CHECK(becomes(address, "container_oom_events_total", {{"id", id}}, 1));
  const auto check_cpu = [&] {
    const double counted = std::stod(sandbox.run("burn_in " + container + " 2; cpu_of " + container)) / 1e9;
    CHECK(std::abs(Scrape(address).sum("container_cpu_usage_seconds_total", {{"id", id}}) - counted) < 1.1e-6);
  };
  check_cpu();
  const Scrape before(address);
  for (const char* role : {"vcpu", "vmm", "virtiofsd", "shim"}) {
    INFO(role);
    CHECK(before.sum("katameter_process_cpu_seconds_total", {{"sandbox_id", sandbox.id().hex()}, {"role", role}}) > 0);
  }

  on_node("systemctl restart " + unit);
  check_unit();
  REQUIRE(becomes(address, "katameter_guest_probe_up", of_it, 1));
  const Scrape after(address);
  for (const char* counter : {"container_cpu_usage_seconds_total", "container_cpu_user_seconds_total",
                              "container_cpu_system_seconds_total", "container_memory_failures_total"}) {
    INFO(counter);
    CHECK(after.sum(counter, {{"id", id}}) >= before.sum(counter, {{"id", id}}));
  }
  CHECK(after.sum("container_oom_events_total", {{"id", id}}) == 1);
  check_cpu();

  // No container runtime is installed.
  CHECK(alarms_in(on_node("journalctl --no-pager -q -o cat -u " + unit + " | grep -v names.of.pods")) == std::string());
  CHECK(on_node("journalctl --no-pager -q -p warning -u " + unit) == std::string());  // of systemd's own
}
