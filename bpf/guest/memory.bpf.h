/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_MEMORY_BPF_H
#define KATAMETER_GUEST_MEMORY_BPF_H

#include "bpf/guest/hugetlb.bpf.h"
#include "bpf/guest/io.bpf.h"
#include "bpf/guest/reclaim.bpf.h"
#include "bpf/guest/records.h"
#include "bpf/guest/virtiofs.bpf.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/request.bpf.h"
#include "bpf/lib/walk.bpf.h"

/* A map of its own, which C++ maps as well. */
extern struct stat_index stat_index;

static __always_inline int span_begin(int span) {
  return span == SPAN_PAGES        ? STAT_ANON
         : span == SPAN_MORE_PAGES ? STAT_SWAP
         : span == SPAN_EVENTS     ? STAT_FAULTS
                                   : STAT_ITEMS;
}

/* The STAT_* that an item is part of. */
static __always_inline int stat_of_item(int item) {
  return item < STATS ? item : item < ITEM_RECLAIMED_DIRECT ? STAT_SCANNED : STAT_RECLAIMED;
}

/*
 * The arrays in which a memory cgroup keeps its pages, or its events. Exact = shared, of the subtree, + for the cgroup
 * and all below it: pending + sum over the CPUs of (own - flushed). 0: this kernel has no such array.
 */
struct stat_arrays {
  __u64 shared;
  __u64 pending;
  __u64 own;     /* of a CPU */
  __u64 flushed; /* of a CPU */
};

/* Those of the cgroup; what its per-CPU pointer is, or 0 where this kernel keeps them in a way that we do not know. */
static __always_inline __u64 find_arrays(__u64 memcg, struct stat_arrays *pages, struct stat_arrays *events) {
  __u64 shared;

  if (bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats)) {
    pages->shared = FIELD(struct mem_cgroup___in_struct, memcg, vmstats);
    events->shared = FIELD(struct mem_cgroup___in_struct, memcg, vmevents);
    return KREAD(struct mem_cgroup___in_struct, memcg, vmstats_percpu);
  }
  if (bpf_core_field_exists(struct mem_cgroup___flushed, vmstats))
    shared = KREAD(struct mem_cgroup___flushed, memcg, vmstats);
  else if (bpf_core_field_exists(struct mem_cgroup___flushed_in_struct, vmstats))
    shared = FIELD(struct mem_cgroup___flushed_in_struct, memcg, vmstats);
  else
    return 0;
  pages->shared = FIELD(struct memcg_vmstats, shared, state);
  pages->pending = FIELD(struct memcg_vmstats, shared, state_pending);
  events->shared = FIELD(struct memcg_vmstats, shared, events);
  events->pending = FIELD(struct memcg_vmstats, shared, events_pending);
  return KREAD(struct mem_cgroup___flushed, memcg, vmstats_percpu);
}

/* Those of one CPU; `own` is its struct memcg_vmstats_percpu. */
static __always_inline void find_own_arrays(__u64 own, struct stat_arrays *pages, struct stat_arrays *events) {
  if (bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats)) {
    pages->own = FIELD(struct memcg_vmstats_percpu___in_struct, own, stat);
    events->own = FIELD(struct memcg_vmstats_percpu___in_struct, own, events);
    return;
  }
  pages->own = FIELD(struct memcg_vmstats_percpu, own, state);
  pages->flushed = FIELD(struct memcg_vmstats_percpu, own, state_prev);
  events->own = FIELD(struct memcg_vmstats_percpu, own, events);
  events->flushed = FIELD(struct memcg_vmstats_percpu, own, events_prev);
}

/* "used": see lib/walk.bpf.h. */
static __u64 span_values[SPAN_ROOM] __attribute__((used));
static __u64 span_flushed[SPAN_ROOM] __attribute__((used));

/*
 * Adds an array's values to `sums`, less those of the array `flushed` unless that is 0. The sums are those of a record, as
 * a stack has 512 bytes. A loop that is one in the program too: it is called at several places.
 */
static __always_inline void add_span(__u64 array, __u64 flushed, int span, __s64 *sums) {
  const __u64 at = *(const volatile __u64 *)&stat_index.span[span]; /* both halves of one moment */
  const __u64 first = at >> 32;
  const __u64 bytes = (__u32)at * sizeof(long) & (sizeof(span_values) - 1);
  const int at_once = !READS_DIRECTLY && bytes;

  if (at_once) {
    bpf_probe_read_kernel(span_values, bytes, (void *)(array + first * sizeof(long)));
    if (flushed) bpf_probe_read_kernel(span_flushed, bytes, (void *)(flushed + first * sizeof(long)));
  }
#pragma clang loop unroll(disable)
  for (int item = span_begin(span); item < span_begin(span + 1); item++) {
    const __s64 index = stat_index.of[item];
    if (index < 0) continue;
    const __u64 place = (index - first) & (SPAN_ROOM - 1);
    __u64 value = at_once ? span_values[place] : read_u64(array + index * sizeof(long));
    if (flushed) value -= at_once ? span_flushed[place] : read_u64(flushed + index * sizeof(long));
    sums[stat_of_item(item)] += value;
  }
}

/* Likewise of pages and events, all spans. */
static __always_inline void add_spans(__u64 pages, __u64 pages_flushed, __u64 events, __u64 events_flushed,
                                      __s64 *sums) {
  add_span(pages, pages_flushed, SPAN_PAGES, sums);
  add_span(pages, pages_flushed, SPAN_MORE_PAGES, sums);
  add_span(events, events_flushed, SPAN_EVENTS, sums);
}

/* What the CPUs have not flushed: of one cgroup, while it is read. "used": see lib/walk.bpf.h. */
static __s64 stat_pending[STATS] __attribute__((used));

static __always_inline void add_own_stats(__u64 offset, __u64 percpu, __u64 unused1, __u64 unused2) {
  struct stat_arrays pages = {}, events = {};

  find_own_arrays(percpu + offset, &pages, &events);
  add_spans(pages.own, pages.flushed, events.own, events.flushed, stat_pending);
}

DEFINE_CPU_LOOP(own_stats, add_own_stats)

/* What is shared comes last: guest-probe/account/memory.h relies on it. */
static __always_inline void read_stats(__u64 memcg, __s64 *stats, __s64 *pending) {
  struct stat_arrays pages = {}, events = {};

  for (int stat = 0; stat < STATS; stat++) stats[stat] = pending[stat] = stat_pending[stat] = 0;
  const __u64 percpu = find_arrays(memcg, &pages, &events);
  if (!percpu) return;
  own_stats_on_cpus(percpu, 0, 0);
  if (pages.pending) add_spans(pages.pending, 0, events.pending, 0, stat_pending);
  add_spans(pages.shared, 0, events.shared, 0, stats);
  for (int stat = 0; stat < STATS; stat++) pending[stat] = stat_pending[stat];
}

#define COUNTER(memcg, counter, field) KREAD(struct page_counter, FIELD(struct mem_cgroup, memcg, counter), field)

static __always_inline __u64 page_counter_usage(__u64 memcg) {
  return COUNTER(memcg, memory, usage);
}
static __always_inline __u64 page_counter_limit(__u64 memcg) {
  return COUNTER(memcg, memory, max);
}

/* Whether memory is that of cgroup v2; set before loading. */
extern const volatile __u32 memory_is_unified;

/*
 * How often a charge met the limit. Since 6.15 the page_counter of cgroup v2 does not count that; there it is
 * what memory.events shows as max, with the cgroups below.
 */
static __always_inline __u64 limit_hits(__u64 memcg) {
  const int max = bpf_core_enum_value(enum memcg_memory_event, MEMCG_MAX);

  if (memory_is_unified && bpf_core_field_exists(struct page_counter___tracked, track_failcnt))
    return read_u64(FIELD(struct mem_cgroup, memcg, memory_events) + max * sizeof(atomic_long_t));
  return COUNTER(memcg, memory, failcnt);
}

/* With use_hierarchy=0 (v1) a child in the tree is not charged to its parent there. */
static __always_inline int charges_parent(__u64 memcg) {
  __u64 parent = css_parent(FIELD(struct mem_cgroup, memcg, css));
  return parent && COUNTER(memcg, memory, parent) == FIELD(struct mem_cgroup, parent, memory);
}

/* v1: of this cgroup alone; v2: of the subtree. */
static __always_inline __u64 oom_kills(__u64 memcg) {
  const __u64 kill = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_KILL);
  return read_u64(FIELD(struct mem_cgroup, memcg, memory_events) + kill * sizeof(atomic_long_t));
}

/* "used": see lib/walk.bpf.h. A power of 2, and more than any kernel has events. */
static __u64 event_values[16] __attribute__((used));

#define EVENT_COUNT(event)                                                                    \
  (bpf_core_enum_value_exists(enum memcg_memory_event, event)                                 \
       ? event_values[bpf_core_enum_value(enum memcg_memory_event, event) & (ARRAY_SIZE - 1)] \
       : EVENT_NOT_COUNTED)

/* memory.events and memory.swap.events, read at once: all lie in one array. */
static __always_inline void read_events(__u64 memcg, __u64 *events) {
  enum { ARRAY_SIZE = sizeof(event_values) / sizeof(event_values[0]) };

  bpf_probe_read_kernel(event_values, sizeof(event_values), (void *)FIELD(struct mem_cgroup, memcg, memory_events));
  events[EVENT_LOW] = EVENT_COUNT(MEMCG_LOW);
  events[EVENT_HIGH] = EVENT_COUNT(MEMCG_HIGH);
  events[EVENT_MAX] = EVENT_COUNT(MEMCG_MAX);
  events[EVENT_OOM] = EVENT_COUNT(MEMCG_OOM);
  events[EVENT_OOM_GROUP_KILL] = EVENT_COUNT(MEMCG_OOM_GROUP_KILL);
  events[EVENT_SWAP_MAX] = EVENT_COUNT(MEMCG_SWAP_MAX);
  events[EVENT_SWAP_FAIL] = EVENT_COUNT(MEMCG_SWAP_FAIL);
}

static __always_inline void read_memory(__u64 memcg, struct memory_record *record) {
  record->usage_pages = page_counter_usage(memcg);
  record->peak_pages = COUNTER(memcg, memory, watermark);
  record->limit_pages = page_counter_limit(memcg);
  record->failcnt = limit_hits(memcg);
  record->oom_kills = oom_kills(memcg);
  record->min_pages = COUNTER(memcg, memory, min);
  record->swap_pages = COUNTER(memcg, swap, usage);
  record->swap_limit_pages = COUNTER(memcg, swap, max);
  record->swap_peak_pages = COUNTER(memcg, swap, watermark);
  record->swap_failcnt = COUNTER(memcg, swap, failcnt);
  if (memory_is_unified) read_events(memcg, record->events);
  record->kernel_pages = bpf_core_field_exists(struct mem_cgroup, kmem) ? COUNTER(memcg, kmem, usage) : 0;
  record->soft_limit_pages =
      bpf_core_field_exists(struct mem_cgroup, soft_limit) ? KREAD(struct mem_cgroup, memcg, soft_limit) : 0;
  read_stats(memcg, record->stat, record->pending);
}

#ifdef KATAMETER_WALKS
#include "bpf/guest/numa.bpf.h"

/*
 * collect_memory: the memory counters of every container that the memory controller knows, and what containers did on
 * block devices (guest/io.bpf.h), have of huge pages (guest/hugetlb.bpf.h) and on each NUMA node (guest/numa.bpf.h).
 *
 * Hook:    none. Run when the host asks (lib/request.bpf.h); huge pages are read if the request is WALK_HUGETLB.
 * Rate:    twice per snapshot, until two runs agree (guest-probe/account/memory.h, io.h); huge pages once.
 * Costs:   0.61 us a cgroup; with direct reads (read.bpf.h) 0.34, and 0.26 with the figures of v1 alone (the fastest of
 *          test runs; 6.18, JIT, 2 CPUs, 100 cgroups, all figures of memory.stat at known places, no block I/O). With a
 *          third of the figures it was 0.34 and 0.14, measured in the same way.
 *          Huge pages add a third (5.10, v1, JIT, a clock that counts instructions, 10 containers without any), NUMA nodes
 *          nothing where there is one.
 * Kernels: 5.10 and later; the figures of memory.stat where find_stats finds them (guest/memory_stat.bpf.c); block I/O with
 *          CONFIG_BLK_CGROUP, in cgroup v1 before 6.2 (3b8cc6298724).
 * Without: no container has a memory figure, nor one of block I/O.
 */

/* Also the room in which guest/names.bpf.h leaves its records. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct memory_record);
} memory_records SEC(".maps");

static struct container_walk memory_rows __attribute__((used));

/* A cgroup below a container's, while it is read. */
static struct {
  __s64 stat[STATS];
  __s64 pending[STATS];
  __u32 uncharged; /* depth of a cgroup whose parent is not charged for it (v1, use_hierarchy=0); 0: there is none */
} nested_memory __attribute__((used));

static __always_inline void clear_memory_row(__u32 row) {
  struct memory_record *record = bpf_map_lookup_elem(&memory_records, &row);
  if (record) record->id = record->usage_pages = 0;
}

static __always_inline void add_nested_memory(__u64 memcg, const struct walk *walk, struct memory_record *record) {
  if (nested_memory.uncharged && walk->depth <= nested_memory.uncharged) nested_memory.uncharged = 0;
  if (!nested_memory.uncharged && !charges_parent(memcg)) nested_memory.uncharged = walk->depth;
  /* v1 counts a kill in the victim's own cgroup. */
  if (!memory_is_unified) record->oom_kills += oom_kills(memcg);
  if (nested_memory.uncharged) return;
  read_stats(memcg, nested_memory.stat, nested_memory.pending);
  add_numa(memcg, memory_rows.row, 0);
  __u64 check = record->check;
  for (int stat = 0; stat < STATS; stat++) {
    record->pending[stat] += nested_memory.pending[stat];
    check = add_check(check, nested_memory.stat[stat]);
  }
  record->check = check;
}

static __always_inline void visit_memory(struct walk *walk) {
  const int found = find_row(walk, &memory_rows, &memory_records);
  struct memory_record *record = bpf_map_lookup_elem(&memory_records, &memory_rows.row);
  /* struct cgroup_subsys_state is the first member of struct mem_cgroup (mem_cgroup_from_css). */
  const __u64 memcg = CONTAINER(struct mem_cgroup, walk->css, css);

  if (found == VISIT_NONE || found == VISIT_ROOT || !record) return;
  if (memory_rows.row == ROW_REST) {
    if (found == VISIT_CONTAINER) record->usage_pages += page_counter_usage(memcg);
    return;
  }
  if (found == VISIT_NESTED) {
    add_nested_memory(memcg, walk, record);
    return;
  }
  nested_memory.uncharged = 0;
  record->id = memory_rows.id;
  record->check = 0;
  read_memory(memcg, record);
  add_numa(memcg, memory_rows.row, 1);
  add_stall_sum(record->id, record);
  if (hugetlb_is_unified && hugetlb_wanted) add_hugetlb(hugetlb_css(css_cgroup(walk->css)), record->id);
  if (tasks_hierarchy == WALK_MEMORY) read_virtiofs(memory_rows.row, memory_rows.id);
}

DEFINE_WALK(memory, visit_memory)

ITER_PROGRAM(collect_memory) {
  const __u64 io = walk_io();
  begin_hugetlb(request);
  start_rows(&memory_rows);
  clear_memory_row(ROW_ROOT);
  clear_memory_row(ROW_REST);
  const int complete = memory_walk_below(hierarchy_root(memory_index()));
  end_hugetlb();
  return row_answer(&memory_rows, complete) | io << 32;
}

#endif /* KATAMETER_WALKS */

#endif
