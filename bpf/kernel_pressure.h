/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_PRESSURE_H
#define KATAMETER_KERNEL_PRESSURE_H

#include "bpf/kernel.h"

/* Pressure stall information: include/linux/psi_types.h, with CONFIG_PSI. */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

enum psi_states {
  PSI_IO_SOME,
  PSI_IO_FULL,
  PSI_MEM_SOME,
  PSI_MEM_FULL,
  PSI_CPU_SOME,
  PSI_CPU_FULL, /* since 5.13 (e7fcd7622823) */
  PSI_NONIDLE,
};

struct seqcount {
  unsigned int sequence;
};

/* One per CPU. times_prev has a row for each of enum psi_aggregators, PSI_AVGS first. */
struct psi_group_cpu {
  __u32 state_mask;
  __u32 times[1];
  __u64 state_start;
  __u32 times_prev[1];
};

/* `seq` is not in the struct any more since 6.17 (570c8efd5eb7) and 6.12.y. */
struct psi_group_cpu___seq {
  struct seqcount seq;
};

struct psi_group {
  struct psi_group_cpu *pcpu;
  __u64 total[1]; /* likewise, a row for PSI_AVGS first */
};

/* Off while 0 is in cgroup.pressure; since 6.1 (34f26a15611a). */
struct psi_group___switched {
  _Bool enabled;
};

/* In the struct at first, a pointer since 6.0 (5f69a6577bc3). */
struct cgroup___psi_in_struct {
  struct psi_group psi;
};

struct cgroup___psi {
  struct psi_group *psi;
};

/* include/linux/sched.h */
struct sched_info___arrival {
  unsigned long long last_arrival;
};

#pragma clang attribute pop

#endif
