/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_PRESSURE_RECORD_H
#define KATAMETER_PRESSURE_RECORD_H

#include <linux/types.h>

/* The lines of cpu.pressure, memory.pressure and io.pressure. */
enum {
  PRESSURE_CPU_SOME,
  PRESSURE_CPU_FULL,
  PRESSURE_MEMORY_SOME,
  PRESSURE_MEMORY_FULL,
  PRESSURE_IO_SOME,
  PRESSURE_IO_FULL,
  PRESSURES,
};

/* How long the tasks of a cgroup and of all below it waited, ns: `total` as a read of the files would make it now. */
struct pressure_totals {
  __u64 total_ns[PRESSURES];
  __u64 busy_ns; /* all CPUs, modulo 2^32 each: time in which there was any task that was not asleep */
  __u32 kinds;   /* bit n: total_ns[n] is there; 0: the kernel does not count pressure, or not in this cgroup */
  __u32 reserved;
};

#endif
