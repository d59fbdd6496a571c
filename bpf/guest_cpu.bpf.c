// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * collect_cpu: the CPU time of every cgroup of the cpuacct hierarchy (cgroup v1).
 *
 * Hook:    none. Run by BPF_PROG_TEST_RUN (raw_tp) when the host asks.
 * Rate:    once per snapshot.
 * Kernels: 5.10 and later with cgroup v1.
 * Without: no container has a CPU figure.
 */
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/cpu_read.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct cpu_record);
} cpu_records SEC(".maps");

static __always_inline void visit_cpu(__u64 css, __u32 depth, __u32 position) {
  struct cpu_record *record = bpf_map_lookup_elem(&cpu_records, &position);
  if (!record)
    return;
  describe_css(css, depth, &record->node);
  record->usage_ns = cpuacct_usage(css);
}

DEFINE_WALK(cpu, visit_cpu)

SEC("raw_tp")
int collect_cpu(void *ctx) {
  return cpu_walk(cpuacct_index());
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
