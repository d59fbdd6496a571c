#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iostream>
#include <list>
#include <string>

#include "tests/support/host_peer.h"
#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// A figure of /proc/PID/FILE.
std::uint64_t figure_of(pid_t pid, const std::string& name, const std::string& key) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1));
  }
  FAIL("no " << key << " in /proc/" << pid << "/" << name);
  return 0;
}

std::uint64_t switches_of(pid_t pid) {
  return figure_of(pid, "status", "voluntary_ctxt_switches") + figure_of(pid, "status", "nonvoluntary_ctxt_switches");
}

std::size_t lines_of(const std::string& path) {
  std::ifstream file(path);
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

void scrape(HostPeer& host, std::size_t rounds) {
  for (std::size_t round = 0; round < rounds; ++round) {
    (void)host.collect();
    host.acknowledge();
  }
}

// Ten containers, each with a process in it.
class TenContainers {
 public:
  TenContainers() {
    for (char digit = '0'; digit <= '9'; ++digit) {
      cgroups_.emplace_back(digit);
      workloads_.emplace_back(cgroups_.back());
    }
  }
  // A process ends when its pipe is closed, which those forked after it have open too.
  ~TenContainers() {
    while (!workloads_.empty()) workloads_.pop_back();
  }
  TenContainers(const TenContainers&) = delete;
  TenContainers& operator=(const TenContainers&) = delete;

 private:
  std::list<TestCgroup> cgroups_;
  std::list<Workload> workloads_;
};

}  // namespace

// The heap and the stack are a third of a MiB; the rest are pages of the program's file.
TEST_CASE("Cost: at most 1.75 MiB stay resident with 10 containers", "[any][life][cost]") {
  const TenContainers containers;
  const Daemon daemon;
  HostPeer host(daemon.socket());
  scrape(host, 10);
  // As the page tables have it: before 6.2 VmRSS lags behind.
  const std::uint64_t resident_kb = figure_of(daemon.pid(), "smaps_rollup", "Rss");
  std::cout << "resident with 10 containers: " << resident_kb << " kB, of that "
            << figure_of(daemon.pid(), "smaps_rollup", "Anonymous") << " kB of its own\n";
  // 6.18 maps a program's file by folios of its file system, which are larger than the pages that are used.
  CHECK(resident_kb <= 1792);
}

TEST_CASE("Cost: a Collect of 10 containers takes at most 21 system calls, every eighth one more",
          "[any][life][cost]") {
  const TenContainers containers;
  const std::string trace = "/tmp/katameter-strace-cost";
  // Time is a system call only where an emulated clock cannot be read without.
  const Daemon daemon({"strace", "-D", "-f", "-e", "trace=!clock_gettime", "-o", trace});
  HostPeer host(daemon.socket());
  scrape(host, 2);  // learns the names, and gives back what starting took
  sleep(1);
  const std::size_t before = lines_of(trace);
  constexpr std::size_t rounds = 20;
  scrape(host, rounds);
  sleep(1);
  const std::size_t calls = lines_of(trace) - before;
  std::cout << "system calls in " << rounds << " collects: " << calls << "\n";
  CHECK(calls >= rounds);  // or the trace shows nothing
  // An acknowledgement and the request after it are read together: not the last one, and not each on a busy machine.
  constexpr std::size_t apart = 3;
  CHECK(calls <= 21 * rounds + rounds / 8 + 1 + 2 * apart);
}

TEST_CASE("Cost: with nobody asking guest-probe does not wake in 30 s", "[cost]") {
  const TestCgroup cgroup('b');
  Workload workload(cgroup);
  const Daemon daemon;
  HostPeer host(daemon.socket());  // connected, as a host is between two scrapes
  (void)host.collect();
  sleep(1);
  const std::uint64_t before = switches_of(daemon.pid());
  REQUIRE(before > 0);
  sleep(15);
  workload.burn_cpu_ms(50);
  { const TestCgroup unseen('d'); }
  sleep(15);
  const std::uint64_t woken = switches_of(daemon.pid()) - before;
  std::cout << "context switches in 30 s: " << woken << "\n";
  CHECK(woken == 0);
}
