/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_CPU_BPF_H
#define KATAMETER_COLLECT_CPU_BPF_H

/*
 * collect_cpu: what cpuacct, cpu and pids keep of every cgroup of one hierarchy (cgroup v1). Controllers that are
 * mounted together are read in one walk.
 *
 * Hook:    none. Run when the host asks (on_request.bpf.h), for the hierarchy that is asked for (WALK_*).
 * Rate:    once per snapshot and hierarchy.
 * Costs:   0.12 to 0.18 us a cgroup, 0.07 to 0.11 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          of test runs; 6.18, JIT, 2 CPUs, cpuacct alone in its hierarchy).
 * Kernels: 5.10 and later with cgroup v1.
 * Without: no container has a CPU figure, nor the number of its threads.
 */
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/cpu_read.bpf.h"
#include "bpf/on_request.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct cpu_record);
} cpu_records SEC(".maps");

static __always_inline void visit_cpu(__u64 css, __u32 depth, __u32 position) {
  struct cpu_record *record = bpf_map_lookup_elem(&cpu_records, &position);
  if (!record) return;
  describe_css(css, depth, &record->node);
  read_cpu(css_cgroup(css), record);
}

DEFINE_WALK(cpu, visit_cpu)

ON_REQUEST(collect_cpu) {
  return cpu_walk_below(hierarchy_root(hierarchy_index(asked)));
}

#endif
