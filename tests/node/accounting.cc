#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "tests/node/host_probe.h"
#include "tests/node/kernel.h"
#include "tests/node/sandbox.h"

// What host-probe says of sandboxes under KVM, held against the node's own kernel.

using namespace katameter;
using namespace katameter::host::testing;
using namespace std::chrono_literals;

namespace {

const std::string container(64, 'c');

/// A scrape between two readings of the kernel.
struct Reading {
  KernelTimes before;
  Scrape scrape;
  KernelTimes after;

  Reading(const HostProbe& probe, const Sandbox& sandbox)
      : before(kernel_times(sandbox)), scrape(probe.scrape()), after(kernel_times(sandbox)) {}
};

/// How a figure of the kernel grew between two readings: at least and at most.
struct Growth {
  double least;
  double most;
};

template <typename Figure>
Growth growth(const Reading& earlier, const Reading& later, Figure figure) {
  return {figure(later.before) - figure(earlier.after), figure(later.after) - figure(earlier.before)};
}

/// Within 1 % and the time between two ticks of every thread that may run.
void check_growth(const std::string& what, double measured, Growth kernel) {
  const double slack = 0.01 * kernel.most + 0.02;
  UNSCOPED_INFO(what << " grew by " << measured << " s, in the kernel by " << kernel.least << " to " << kernel.most);
  CHECK(measured >= kernel.least - slack);
  CHECK(measured <= kernel.most + slack);
}

void check_books(const ContainerId& id, const Reading& earlier, const Reading& later) {
  const Scrape::Labels of_it{{"sandbox_id", id.hex()}};
  const auto grown = [&](const std::string& name, Scrape::Labels labels = {}) {
    labels.merge(Scrape::Labels(of_it));
    return later.scrape.sum(name, labels) - earlier.scrape.sum(name, labels);
  };
  const double total = grown("katameter_sandbox_host_cpu_seconds_total");
  const double residual = grown("katameter_sandbox_cpu_seconds_total", {{"component", "residual"}});
  check_growth("all", total, growth(earlier, later, [](const KernelTimes& t) { return t.cgroups_s; }));
  CHECK(std::abs(grown("katameter_sandbox_cpu_seconds_total") - total) < 1e-6);
  // The guest counts to the moment at which it is asked, the host to another: some ticks.
  CHECK(std::abs(residual) <= 0.01 * total + 0.05);
  check_growth("vCPUs", grown("katameter_process_cpu_seconds_total", {{"role", "vcpu"}}),
               growth(earlier, later, [](const KernelTimes& t) { return t.vcpus.run_s; }));
  check_growth("vCPUs' wait", grown("katameter_process_run_delay_seconds_total", {{"role", "vcpu"}}),
               growth(earlier, later, [](const KernelTimes& t) { return t.vcpus.wait_s; }));
  check_growth("guest mode", grown("katameter_process_guest_mode_seconds_total"),
               growth(earlier, later, [](const KernelTimes& t) { return t.vcpus.guest_s; }));
  check_growth("vhost", grown("katameter_process_cpu_seconds_total", {{"role", "vhost"}}),
               growth(earlier, later, [](const KernelTimes& t) { return t.vhost.run_s; }));
}

/// Within 1 % of what the cgroups are charged with but the page cache, and of what the processes have mapped but files.
void check_memory(const HostProbe& probe, const Sandbox& sandbox) {
  const Scrape scrape = probe.scrape();
  const KernelMemory kernel = kernel_memory(sandbox);
  const Scrape::Labels of_it{{"sandbox_id", sandbox.id().hex()}};
  const double total = scrape.sum("katameter_sandbox_host_memory_bytes", of_it);
  const auto component = [&](const std::string& name) {
    return scrape.sum("katameter_sandbox_memory_bytes", {{"sandbox_id", sandbox.id().hex()}, {"component", name}});
  };
  const auto within_1_percent = [&](double ours, double theirs) {
    return ours > 0.99 * theirs && ours < 1.01 * theirs;
  };
  CAPTURE(total, kernel.charged, kernel.mapped, kernel.current, kernel.threads);
  CHECK(within_1_percent(total, kernel.charged));
  // The kernel books what a thread maps in steps of 64 pages, in rss_stat; smaps_rollup walks the pages.
  const double mapped = total - component("page_tables");
  CHECK(mapped > 0.99 * kernel.mapped - kernel.threads * 64 * 4096);
  CHECK(mapped < 1.01 * kernel.mapped + kernel.threads * 64 * 4096);
  CHECK(within_1_percent(scrape.sum("katameter_sandbox_cgroup_memory_bytes", of_it), kernel.current));
  CHECK(scrape.sum("katameter_sandbox_memory_bytes", of_it) == total);
  // The kernel's vhost worker borrows the VMM's memory; QEMU has more than its guest's.
  CHECK(component("vmm") > 16e6);
  CHECK_FALSE(scrape.has("katameter_process_memory_bytes", {{"sandbox_id", sandbox.id().hex()}, {"role", "vhost"}}));
}

}  // namespace

TEST_CASE("CPU time and memory of sandboxes are the kernel's, idle, busy, and while two want one CPU") {
  HostProbe probe;
  Sandbox go({.layout = "qemu"});
  go.wait_ready();  // one after the other: two that boot at once are lost more often under emulation
  Sandbox rust({.layout = "qemu-rs", .kernel = "6.18", .cgroup = "v2", .node_cpu = 1});
  const std::vector<Sandbox*> both{&go, &rust};
  rust.wait_ready();
  for (Sandbox* each : both) {
    REQUIRE(probe.becomes("katameter_guest_probe_up", {{"sandbox_id", each->id().hex()}}, 1));
    CHECK(probe.scrape().has("katameter_sandbox_info", {{"sandbox_id", each->id().hex()}, {"reach", "af_vsock"}}));
    // Its vCPUs have been in guest mode then, by which they are known here.
    each->run("container " + container + "; burn_in " + container + " 2");
  }

  const auto read = [&] { return std::vector<Reading>{Reading(probe, go), Reading(probe, rust)}; };
  const auto check = [&](const std::string& when, const std::vector<Reading>& from, const std::vector<Reading>& to) {
    for (std::size_t i = 0; i < both.size(); ++i) {
      INFO(when << ", " << (i == 0 ? "Go" : "Rust"));
      check_books(both[i]->id(), from[i], to[i]);
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
  const int of_go = go.begin("burn_in " + container + " 10");
  const int of_rust = rust.begin("burn_in " + container + " 10");
  go.finish(of_go);
  rust.finish(of_rust);
  const auto end = read();
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
}
