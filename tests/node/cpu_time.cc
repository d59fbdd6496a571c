#include "tests/node/cpu_time.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace katameter::host::testing {
namespace {

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

}  // namespace

void check_cpu_time(const ContainerId& id, const Reading& earlier, const Reading& later) {
  const Scrape::Labels of_it{{"sandbox_id", id.hex()}};
  const auto grown = [&](const std::string& name, Scrape::Labels labels = {}) {
    labels.merge(Scrape::Labels(of_it));
    return later.scrape.sum(name, labels) - earlier.scrape.sum(name, labels);
  };
  const double total = grown("katameter_sandbox_host_cpu_seconds_total");
  const Growth wait = growth(earlier, later, [](const KernelTimes& t) { return t.vcpus.wait_s; });
  const double residual = grown("katameter_sandbox_cpu_seconds_total", {{"component", "residual"}});
  check_growth("all", total, growth(earlier, later, [](const KernelTimes& t) { return t.cgroups_s; }));
  CHECK(std::abs(grown("katameter_sandbox_cpu_seconds_total") - total) < 1e-6);
  // By ticks a step may have no time in guest mode although it had some.
  CHECK(residual <= 0.01 * total + 0.02);
  check_growth("vCPUs", grown("katameter_process_cpu_seconds_total", {{"role", "vcpu"}}),
               growth(earlier, later, [](const KernelTimes& t) { return t.vcpus.run_s; }));
  check_growth("vCPUs' wait", grown("katameter_process_run_delay_seconds_total", {{"role", "vcpu"}}), wait);
  check_growth("guest mode", grown("katameter_process_guest_mode_seconds_total"),
               growth(earlier, later, [](const KernelTimes& t) { return t.vcpus.guest_s; }));
  if (later.after.vhost.run_s == 0) return;  // a hybrid vsock
  check_growth("vhost", grown("katameter_process_cpu_seconds_total", {{"role", "vhost"}}),
               growth(earlier, later, [](const KernelTimes& t) { return t.vhost.run_s; }));
}

}  // namespace katameter::host::testing
