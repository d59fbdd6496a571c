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
  __u64 own;       /* of a CPU */
  __u64 handed_in; /* of a CPU */
};

#define IN_STRUCT(field) bpf_core_field_offset(struct mem_cgroup___in_struct, field)
#define IN_STRUCT_OWN(field) bpf_core_field_offset(struct memcg_vmstats_percpu___in_struct, field)
#define FLUSHED(field) bpf_core_field_offset(struct memcg_vmstats, field)
#define FLUSHED_OWN(field) bpf_core_field_offset(struct memcg_vmstats_percpu, field)

/* Those of the cgroup; what its per-CPU pointer is, or 0 where this kernel keeps them in a way that we do not know. */
static __always_inline __u64 find_arrays(__u64 memcg, struct stat_arrays *pages, struct stat_arrays *events) {
  __u64 shared;

  if (bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats)) {
    pages->shared = memcg + IN_STRUCT(vmstats);
    events->shared = memcg + IN_STRUCT(vmevents);
    return read_u64(memcg + IN_STRUCT(vmstats_percpu));
  }
  if (bpf_core_field_exists(struct mem_cgroup___flushed, vmstats))
    shared = read_u64(memcg + bpf_core_field_offset(struct mem_cgroup___flushed, vmstats));
  else if (bpf_core_field_exists(struct mem_cgroup___flushed_in_struct, vmstats))
    shared = memcg + bpf_core_field_offset(struct mem_cgroup___flushed_in_struct, vmstats);
  else
    return 0;
  pages->shared = shared + FLUSHED(state);
  pages->pending = shared + FLUSHED(state_pending);
  events->shared = shared + FLUSHED(events);
  events->pending = shared + FLUSHED(events_pending);
  return read_u64(memcg + bpf_core_field_offset(struct mem_cgroup___flushed, vmstats_percpu));
}

/* Those of one CPU; `own` is its struct memcg_vmstats_percpu. */
static __always_inline void find_own_arrays(__u64 own, struct stat_arrays *pages, struct stat_arrays *events) {
  if (bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats)) {
    pages->own = own + IN_STRUCT_OWN(stat);
    events->own = own + IN_STRUCT_OWN(events);
    return;
  }
  pages->own = own + FLUSHED_OWN(state);
  pages->handed_in = own + FLUSHED_OWN(state_prev);
  events->own = own + FLUSHED_OWN(events);
  events->handed_in = own + FLUSHED_OWN(events_prev);
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

/* What the CPUs have not handed in: of one cgroup, while it is read. "used": see cgroup_walk.bpf.h. */
static __s64 stat_pending[STATS] __attribute__((used));

static __always_inline void add_own_stats(__u64 offset, __u64 percpu, __u64 unused1, __u64 unused2) {
  struct stat_arrays pages = {}, events = {};

  find_own_arrays(percpu + offset, &pages, &events);
  add_span(pages.own, SPAN_PAGES, stat_pending, 1);
  add_span(pages.own, SPAN_MORE_PAGES, stat_pending, 1);
  add_span(events.own, SPAN_EVENTS, stat_pending, 1);
  if (!pages.handed_in) return;
  add_span(pages.handed_in, SPAN_PAGES, stat_pending, -1);
  add_span(pages.handed_in, SPAN_MORE_PAGES, stat_pending, -1);
  add_span(events.handed_in, SPAN_EVENTS, stat_pending, -1);
}

DEFINE_CPU_LOOP(own_stats, add_own_stats)

/* What is shared comes last: guest-probe/account/memory_account.h relies on it. */
static __always_inline void read_stats(__u64 memcg, __s64 *stats, __s64 *pending) {
  struct stat_arrays pages = {}, events = {};

  for (int stat = 0; stat < STATS; stat++) stats[stat] = pending[stat] = stat_pending[stat] = 0;
  const __u64 percpu = find_arrays(memcg, &pages, &events);
  if (!percpu) return;
  own_stats_on_cpus(percpu, 0, 0);
  if (pages.pending) {
    add_span(pages.pending, SPAN_PAGES, stat_pending, 1);
    add_span(pages.pending, SPAN_MORE_PAGES, stat_pending, 1);
    add_span(events.pending, SPAN_EVENTS, stat_pending, 1);
  }
  add_span(pages.shared, SPAN_PAGES, stats, 1);
  add_span(pages.shared, SPAN_MORE_PAGES, stats, 1);
  add_span(events.shared, SPAN_EVENTS, stats, 1);
  for (int stat = 0; stat < STATS; stat++) pending[stat] = stat_pending[stat];
}

#endif
