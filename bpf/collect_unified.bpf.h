/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_UNIFIED_BPF_H
#define KATAMETER_COLLECT_UNIFIED_BPF_H

/*
 * collect_unified: CPU time of every cgroup of cgroup v2, and what cpu and pids keep of it.
 *
 * Hook:    none. Run when the host asks (on_request.bpf.h).
 * Rate:    twice per snapshot, until two runs agree (guest-probe/account/unified_account.h).
 * Costs:   0.14 to 0.21 us a cgroup, 0.05 to 0.10 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          runs by bpf_stats; 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later with cgroup v2.
 * Without: in a guest with cgroup v2 no container has a CPU figure, nor the number of its threads.
 */
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/cpu_read.bpf.h"
#include "bpf/on_request.bpf.h"
#include "bpf/unified_read.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct unified_record);
} unified_records SEC(".maps");

static __always_inline void visit_unified(__u64 css, __u32 depth, __u32 position) {
  struct unified_record *record = bpf_map_lookup_elem(&unified_records, &position);
  if (!record) return;
  __u64 cgroup = css_cgroup(css);
  describe_css(css, depth, &record->cpu.node);
  read_unified(cgroup, record);
  read_cpu(cgroup, &record->cpu);
  record->cpu.kinds |= CPU_UNIFIED;
  shown_times(cgroup, &record->cpu);
  record->descendants = read_u32(cgroup + bpf_core_field_offset(struct cgroup, nr_descendants)) +
                        read_u32(cgroup + bpf_core_field_offset(struct cgroup, nr_dying_descendants));
}

DEFINE_WALK(unified, visit_unified)

ON_REQUEST(collect_unified) {
  return unified_walk_below(css_root(unified_css()));
}

#endif
