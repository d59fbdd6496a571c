// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * learn_cpu_offset: where this CPU's per-CPU variables lie.
 *
 * Hook:    none. Run on each CPU that is online by BPF_PROG_TEST_RUN (raw_tp, BPF_F_TEST_RUN_ON_CPU) at start.
 * Rate:    once per CPU.
 * Costs:   1.3 us a run (bpf_stats, 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later; needs neither __per_cpu_offset in kallsyms nor bpf_map_lookup_percpu_elem (5.19).
 * Without: no per-CPU counter can be read, so neither CPU time nor rss and cache.
 */
#include "bpf/percpu_learn.bpf.h"

__u64 cpu_offset[MAX_CPUS];
__u32 cpu_place[MAX_CPUS];
__u32 learned_cpus;

SEC("raw_tp")
int learn_cpu_offset(void *ctx) {
  return learn_this_cpu();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
