#pragma once

#include "tests/node/host_probe.h"
#include "tests/node/kernel.h"

namespace katameter::host::testing {

/// A scrape between two readings of the kernel.
struct Reading {
  KernelTimes before;
  Scrape scrape;
  KernelTimes after;

  Reading(const HostProbe& probe, const Sandbox& sandbox)
      : before(kernel_times(sandbox)), scrape(probe.scrape()), after(kernel_times(sandbox)) {}
};

/// What host-probe says of the sandbox's CPU time between two readings is the kernel's: all of it, vCPUs, their wait, guest
/// mode, vhost; and the components are the total, with a residual of 1 % at most.
void check_cpu_time(const ContainerId& id, const Reading& earlier, const Reading& later);

}  // namespace katameter::host::testing
