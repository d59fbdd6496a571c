#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::string line_of(pid_t pid, const std::string& file, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/" + file);
  for (std::string line; std::getline(status, line);) {
    if (key.empty()) return line;
    if (line.starts_with(key + ":")) return line.substr(line.find_last_of(" \t") + 1);
  }
  return "";
}

// What a shell does before it becomes guest-probe.
std::vector<std::string> after(const std::string& script) {
  return {"unshare", "-m", "sh", "-ec", script + "\nexec \"$@\"", "sh"};
}

// All figures of a container, that is: the checks of start passed, and the kernel is read.
void require_figures(const Daemon& daemon) {
  const TestCgroup cgroup('a');
  Workload workload(cgroup);
  workload.burn_cpu_ms(10);
  const CpuFile before = CpuFile::read(cgroup);
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  const CpuFile after = CpuFile::read(cgroup);
  REQUIRE(row);
  REQUIRE(row->cpu_usage_ns);
  CHECK(lies_between(before, *row->cpu_usage_ns, after));
  CHECK(row->memory_rss_bytes);
}

}  // namespace

TEST_CASE("What serves has no capability, cannot get one, and is filtered", "[any][life]") {
  const Daemon daemon;
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    CHECK(line_of(daemon.pid(), "status", set) == "0000000000000000");
  }
  CHECK(line_of(daemon.pid(), "status", "NoNewPrivs") == "1");
  CHECK(line_of(daemon.pid(), "status", "Seccomp") == "2");
  CHECK(line_of(daemon.pid(), "oom_score_adj", "") == "-999");
  require_figures(daemon);
}

// The self-check cannot be made then, for the top folders of cgroups are r-xr-xr-x even to root; and that is said.
TEST_CASE("CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE are enough to start", "[any][life]") {
  REQUIRE(std::system("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf") == 0);
  const std::string enough = "-all,+bpf,+perfmon,+sys_resource";
  const auto with = [](const std::string& set) {
    return std::vector<std::string>{"setpriv", "--inh-caps", "-all", "--bounding-set", set};
  };
  {
    const Daemon daemon(with(enough));
    const TestCgroup cgroup('a');
    const auto row = Daemon::find(daemon.dump(), cgroup.id());
    REQUIRE(row);
    CHECK(row->cpu_usage_ns);
    CHECK(row->memory_usage_bytes);
    CHECK(row->memory_rss_bytes);  // where it is was learned from the files, which anybody may read
    // The self-check could not be made, which the host learns.
    const std::vector<std::string> missing = daemon.dump().hello.lacks;
    CHECK(std::count(missing.begin(), missing.end(), "comparison with the files") == 1);
  }
  const Daemon daemon(with(enough + ",+syslog"));
  require_figures(daemon);
}

TEST_CASE("A read-only root, no /tmp, no tracefs, no log: it starts all the same", "[any][life]") {
  // The tree may lie below /tmp: what is started is a copy from elsewhere.
  const Daemon daemon(
      after("cp \"$1\" /run/katameter-vm-program; shift; set -- /run/katameter-vm-program \"$@\"\n"
            "umount -l /sys/kernel/tracing /sys/kernel/debug 2>/dev/null || true\n"
            "mount -t tmpfs -o ro none /tmp\n"
            "mount -o remount,ro,bind / 2>/dev/null || mount -o remount,ro /\n"
            "! touch /katameter-vm-test 2>/dev/null\n"
            "! touch /tmp/katameter-vm-test 2>/dev/null\n"
            "exec 2>&-"));
  require_figures(daemon);
}

TEST_CASE("Where there is no BPF file system and none is wanted, it keeps CAP_BPF and counts", "[any][life]") {
  const Daemon daemon({}, {"--pin-dir", ""});
  CHECK(line_of(daemon.pid(), "status", "CapEff") == "0000008000000000");
  require_figures(daemon);
}

TEST_CASE("Where the guest has not mounted the BPF file system, guest-probe does, and undoes it", "[any][life]") {
  const bool mounted = std::system("mountpoint -q /sys/fs/bpf") == 0;
  if (mounted) REQUIRE(std::system("umount /sys/fs/bpf") == 0);
  {
    const Daemon daemon;
    CHECK(std::system("mountpoint -q /sys/fs/bpf") == 0);
    require_figures(daemon);
  }
  CHECK(std::system("mountpoint -q /sys/fs/bpf") != 0);
  if (mounted) REQUIRE(std::system("mount -t bpf bpf /sys/fs/bpf") == 0);
}

TEST_CASE("Its log can be the kernel's", "[any][life]") {
  const Daemon daemon({}, {"--log.target", "kmsg"});
  CHECK(std::system("dmesg | grep -q 'guest-probe: info guest-probe .* is ready'") == 0);
}
