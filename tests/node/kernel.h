#pragma once

#include "tests/node/sandbox.h"

// What the node's kernel itself says of a sandbox: its cgroups' files and /proc.
namespace katameter::host::testing {

struct ThreadTimes {
  double run_s = 0;    // schedstat
  double wait_s = 0;   // schedstat
  double guest_s = 0;  // gtime, by ticks
};

struct KernelTimes {
  double cgroups_s = 0;  // usage_usec of cpu.stat, of all cgroups of the sandbox
  ThreadTimes vcpus;     // threads of the VMM that have been in guest mode
  ThreadTimes vhost;     // the kernel's threads for it
};

KernelTimes kernel_times(const Sandbox& sandbox);

struct KernelMemory {
  double current = 0;  // memory.current
  double charged = 0;  // anon, shmem and pagetables of memory.stat
  double mapped = 0;   // Pss_Anon and Pss_Shmem of smaps_rollup
  int threads = 0;
};

KernelMemory kernel_memory(const Sandbox& sandbox);

}  // namespace katameter::host::testing
