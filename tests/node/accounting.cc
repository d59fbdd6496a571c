#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "tests/node/cpu_time.h"
#include "tests/node/host_probe.h"
#include "tests/node/kernel.h"
#include "tests/node/sandbox.h"

// What host-probe says of sandboxes under KVM, held against the node's own kernel.

using namespace katameter;
using namespace katameter::host::testing;
using namespace std::chrono_literals;

namespace {

const std::string container(64, 'c');

/// Within 1 % of what the cgroups are charged with but the page cache, and of what the processes have mapped but files.
void check_memory(const HostProbe& probe, const Sandbox& sandbox) {
  const KernelMemory before = kernel_memory(sandbox);
  const Scrape scrape = probe.scrape();
  const KernelMemory after = kernel_memory(sandbox);
  const Scrape::Labels of_it{{"sandbox_id", sandbox.id().hex()}};
  const double total = scrape.sum("katameter_sandbox_host_memory_bytes", of_it);
  const auto component = [&](const std::string& name) {
    return scrape.sum("katameter_sandbox_memory_bytes", {{"sandbox_id", sandbox.id().hex()}, {"component", name}});
  };
  const auto check = [&](double ours, auto figure, double unseen) {
    CAPTURE(before.*figure, ours, after.*figure, unseen);
    CHECK(ours > 0.99 * std::min(before.*figure, after.*figure) - unseen);
    CHECK(ours < 1.01 * std::max(before.*figure, after.*figure) + unseen);
  };
  // The kernel adds what a thread maps to rss_stat, which is ours, in steps of 64 pages.
  const double unseen = after.threads * 64.0 * 4096;
  check(total, &KernelMemory::charged, unseen);
  check(total - component("page_tables"), &KernelMemory::mapped, unseen);
  check(scrape.sum("katameter_sandbox_cgroup_memory_bytes", of_it), &KernelMemory::current, 0);
  CHECK(scrape.sum("katameter_sandbox_memory_bytes", of_it) == total);
  // The kernel's vhost worker borrows the VMM's memory; QEMU has more than its guest's.
  CHECK(component("vmm") > 16e6);
  CHECK_FALSE(scrape.has("katameter_process_memory_bytes", {{"sandbox_id", sandbox.id().hex()}, {"role", "vhost"}}));
}

}  // namespace

TEST_CASE("CPU time and memory of sandboxes are the kernel's, idle, busy, and while two want one CPU") {
  HostProbe probe({"--runtime-endpoint=none"});
  Sandbox go({.layout = "qemu"});
  go.wait_ready();
  Sandbox rust({.layout = "qemu-rs", .kernel = "6.18", .cgroup = "v2"});
  const std::vector<Sandbox*> both{&go, &rust};
  rust.wait_ready();
  for (Sandbox* each : both) {
    REQUIRE(probe.becomes("katameter_guest_probe_up", {{"sandbox_id", each->id().hex()}}, 1));
    CHECK(probe.scrape().has("katameter_sandbox_info", {{"sandbox_id", each->id().hex()}, {"reach", "af_vsock"}}));
    // Its vCPUs have been in guest mode then, by which they are known here.
    each->run("make_container " + container + "; burn_in " + container + " 2");
  }

  const auto read = [&] { return std::vector<Reading>{Reading(probe, go), Reading(probe, rust)}; };
  const auto check = [&](const std::string& when, const std::vector<Reading>& from, const std::vector<Reading>& to) {
    for (std::size_t i = 0; i < both.size(); ++i) {
      INFO(when << ", " << (i == 0 ? "Go" : "Rust"));
      check_cpu_time(both[i]->id(), from[i], to[i]);
    }
  };
  const auto start = read();
  std::this_thread::sleep_for(5s);
  const auto idle = read();
  check("idle", start, idle);

  // What ran is known: the guest's own file, read after it.
  for (Sandbox* each : both) {
    const double counted = std::stod(each->run("burn_in " + container + " 8; cpu_of " + container)) / 1e9;
    const double measured = probe.scrape().sum("container_cpu_usage_seconds_total",
                                               {{"id", "/kata/" + each->id().hex() + "/" + container}});
    CAPTURE(counted, measured);
    CHECK(std::abs(measured - counted) < 1.1e-6);  // cgroup v2 has microseconds
  }
  const auto busy = read();
  check("busy", idle, busy);
  for (const Sandbox* each : both) check_memory(probe, *each);

  for (const Sandbox* each : both) {
    REQUIRE(std::system(("taskset -a -p -c 0 " + std::to_string(each->vmm()) + " >/dev/null").c_str()) == 0);
  }
  const auto shared = read();
  const auto run_in_both = [&](const std::string& script) {
    const int of_go = go.begin(script);
    const int of_rust = rust.begin(script);
    go.finish(of_go);
    rust.finish(of_rust);
    return read();
  };
  const auto end = run_in_both("burn_in " + container + " 10");
  check("two want one CPU", shared, end);
  for (std::size_t i = 0; i < both.size(); ++i) {
    const double waited = end[i].after.vcpus.wait_s - shared[i].before.vcpus.wait_s;
    const Scrape::Labels of_it{{"sandbox_id", both[i]->id().hex()}};
    const double steal = end[i].scrape.sum("katameter_sandbox_steal_seconds_total", of_it) -
                         shared[i].scrape.sum("katameter_sandbox_steal_seconds_total", of_it);
    CAPTURE(i, waited, steal);
    CHECK(waited > 2);
    // A guest that always wants a CPU counts all that it waited.
    CHECK(steal > 0.9 * waited);
    CHECK(steal < 1.05 * waited);
  }

  check("busy and asleep by turns", end, run_in_both("mix_in " + container + " 30"));

  // Two pods were born and lived: nothing of it is an alarm.
  const Scrape last = probe.scrape();
  for (const char* alarm : {"katameter_guest_frames_rejected_total", "katameter_guest_protocol_violation",
                            "katameter_host_limitation", "katameter_processes_lost_total"}) {
    INFO(alarm);
    CHECK((!last.has(alarm) || last.sum(alarm) == 0));
  }
  CHECK(alarms_in(probe.program().said() + probe.program().take()) == std::string());
}
