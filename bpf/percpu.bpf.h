/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_PERCPU_BPF_H
#define KATAMETER_PERCPU_BPF_H

#include "bpf/kernel.h"
#include "bpf/records.h"

/* Possible CPUs; set before loading. A constant to the verifier, so that loops over CPUs are as long as needed. */
extern const volatile __u32 cpus;

/*
 * Where each CPU's own copy of a per-CPU variable lies, relative to the pointer that the kernel keeps; 0 for a CPU
 * that learn_cpu_offset (percpu.bpf.c) has not run on: one that was never online has nothing to add.
 */
extern __u64 cpu_offset[MAX_CPUS];

/* Sum of a u64 that every CPU keeps for itself; `base` is the __percpu pointer as the kernel stores it. */
static __always_inline __u64 percpu_sum(__u64 base) {
  __u64 sum = 0;
  for (__u32 cpu = 0; cpu < MAX_CPUS; cpu++) {
    if (cpu >= cpus) break;
    if (cpu_offset[cpu]) sum += read_u64(base + cpu_offset[cpu]);
  }
  return sum;
}

#endif
