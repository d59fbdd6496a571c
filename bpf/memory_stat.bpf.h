/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_MEMORY_STAT_BPF_H
#define KATAMETER_MEMORY_STAT_BPF_H

#include "bpf/percpu.bpf.h"

/* Position of each STAT_* in the kernel's arrays, found by find_stats (memory_stat.bpf.c); -1 = it is in none. */
extern __s32 stat_place[STATS];

/*
 * The arrays in which a memory cgroup keeps its pages, or its events. Exact = shared, of the subtree, + for the cgroup
 * and all below it: pending + sum over the CPUs of (own - handed_in). 0: this kernel has no such array.
 */
struct stat_arrays {
  __u64 shared;
  __u64 pending;
  __u64 own;       /* per CPU */
  __u64 handed_in; /* per CPU */
};

#define IN_STRUCT(field) bpf_core_field_offset(struct mem_cgroup___in_struct, field)
#define IN_STRUCT_OWN(field) bpf_core_field_offset(struct memcg_vmstats_percpu___in_struct, field)
#define FLUSHED(field) bpf_core_field_offset(struct memcg_vmstats, field)
#define FLUSHED_OWN(field) bpf_core_field_offset(struct memcg_vmstats_percpu, field)

/* False where this kernel keeps them in a way that we do not know. */
static __always_inline int find_arrays(__u64 memcg, struct stat_arrays *pages, struct stat_arrays *events) {
  __u64 shared, percpu;

  if (bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats)) {
    percpu = read_u64(memcg + IN_STRUCT(vmstats_percpu));
    *pages = (struct stat_arrays){memcg + IN_STRUCT(vmstats), 0, percpu + IN_STRUCT_OWN(stat), 0};
    *events = (struct stat_arrays){memcg + IN_STRUCT(vmevents), 0, percpu + IN_STRUCT_OWN(events), 0};
    return 1;
  }
  if (bpf_core_field_exists(struct mem_cgroup___flushed, vmstats))
    shared = read_u64(memcg + bpf_core_field_offset(struct mem_cgroup___flushed, vmstats));
  else if (bpf_core_field_exists(struct mem_cgroup___flushed_in_struct, vmstats))
    shared = memcg + bpf_core_field_offset(struct mem_cgroup___flushed_in_struct, vmstats);
  else
    return 0;
  percpu = read_u64(memcg + bpf_core_field_offset(struct mem_cgroup___flushed, vmstats_percpu));
  *pages = (struct stat_arrays){shared + FLUSHED(state), shared + FLUSHED(state_pending), percpu + FLUSHED_OWN(state),
                                percpu + FLUSHED_OWN(state_prev)};
  *events = (struct stat_arrays){shared + FLUSHED(events), shared + FLUSHED(events_pending),
                                 percpu + FLUSHED_OWN(events), percpu + FLUSHED_OWN(events_prev)};
  return 1;
}

/* A function of its own, so that the verifier goes through the loop once and not once for each figure. */
__weak __noinline __s64 stat_not_handed_in(__u64 own, __u64 handed_in) {
  __s64 sum = 0;
  for (__u32 cpu = 0; cpu < MAX_CPUS; cpu++) {
    if (cpu >= cpus) break;
    if (!cpu_offset[cpu]) continue;
    sum += read_u64(own + cpu_offset[cpu]);
    if (handed_in) sum -= read_u64(handed_in + cpu_offset[cpu]);
  }
  return sum;
}

static __always_inline void read_stats(__u64 memcg, struct memory_record *record) {
  struct stat_arrays pages = {}, events = {};
  if (!find_arrays(memcg, &pages, &events)) return;
  for (int stat = 0; stat < STATS; stat++) {
    __s32 place = stat_place[stat];
    if (place < 0) continue;
    const struct stat_arrays *from = stat >= STAT_FAULTS ? &events : &pages;
    __u64 offset = (__u64)place * sizeof(long);
    __s64 pending = stat_not_handed_in(from->own + offset, from->handed_in ? from->handed_in + offset : 0);
    if (from->pending) pending += read_u64(from->pending + offset);
    record->stat[stat] = read_u64(from->shared + offset);
    record->pending[stat] = pending;
  }
}

#endif
