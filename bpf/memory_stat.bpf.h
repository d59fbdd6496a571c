/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_MEMORY_STAT_BPF_H
#define KATAMETER_MEMORY_STAT_BPF_H

#include "bpf/percpu.bpf.h"
#include "bpf/stat_places.h"

/* A map of its own, which C++ maps as well. */
extern struct stat_places stat_places;

static __always_inline int span_begin(int span) {
  return span == SPAN_PAGES        ? STAT_ANON
         : span == SPAN_MORE_PAGES ? STAT_SWAP
         : span == SPAN_EVENTS     ? STAT_FAULTS
                                   : STATS;
}

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

/* "used": see cgroup_walk.bpf.h. */
static __u64 span_values[SPAN_PLACES] __attribute__((used));

/* Adds an array's values to `sums`, or takes them from there; those of a record, for a stack has 512 bytes. */
static __always_inline void add_span(__u64 array, int span, __s64 *sums, int sign) {
  const __u64 at = *(const volatile __u64 *)&stat_places.span[span]; /* both halves of one moment */
  const __u64 first = at >> 32;
  const __u64 bytes = (__u32)at * sizeof(long) & (sizeof(span_values) - 1);
  const int at_once = !READS_DIRECTLY && bytes;

  if (at_once) bpf_probe_read_kernel(span_values, bytes, (void *)(array + first * sizeof(long)));
  for (int stat = span_begin(span); stat < span_begin(span + 1); stat++) {
    const __s64 place = stat_places.place[stat];
    if (place < 0) continue;
    const __u64 value =
        at_once ? span_values[(place - first) & (SPAN_PLACES - 1)] : read_u64(array + place * sizeof(long));
    sums[stat] += sign * (__s64)value;
  }
}

/* What is shared comes last: guest-probe/account/memory_account.h relies on it. */
static __always_inline void read_span(const struct stat_arrays *from, int span, struct memory_record *record) {
  for (__u32 cpu = 0; cpu < MAX_CPUS; cpu++) {
    if (cpu >= cpus) break;
    if (!cpu_offset[cpu]) continue;
    add_span(from->own + cpu_offset[cpu], span, record->pending, 1);
    if (from->handed_in) add_span(from->handed_in + cpu_offset[cpu], span, record->pending, -1);
  }
  if (from->pending) add_span(from->pending, span, record->pending, 1);
  add_span(from->shared, span, record->stat, 1);
}

static __always_inline void read_stats(__u64 memcg, struct memory_record *record) {
  struct stat_arrays pages = {}, events = {};

  for (int stat = 0; stat < STATS; stat++) record->stat[stat] = record->pending[stat] = 0;
  if (!find_arrays(memcg, &pages, &events)) return;
  read_span(&pages, SPAN_PAGES, record);
  read_span(&pages, SPAN_MORE_PAGES, record);
  read_span(&events, SPAN_EVENTS, record);
}

#endif
