/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_MEMORY_READ_BPF_H
#define KATAMETER_MEMORY_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/memory_stat.bpf.h"

#define COUNTER_FIELD(memcg, counter, field)                             \
  read_u64((memcg) + bpf_core_field_offset(struct mem_cgroup, counter) + \
           bpf_core_field_offset(struct page_counter, field))
#define PAGE_COUNTER_FIELD(memcg, field) COUNTER_FIELD(memcg, memory, field)

static __always_inline __u64 page_counter_usage(__u64 memcg) {
  return PAGE_COUNTER_FIELD(memcg, usage);
}
static __always_inline __u64 page_counter_limit(__u64 memcg) {
  return PAGE_COUNTER_FIELD(memcg, max);
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
    return read_u64(memcg + bpf_core_field_offset(struct mem_cgroup, memory_events) + max * sizeof(atomic_long_t));
  return PAGE_COUNTER_FIELD(memcg, failcnt);
}

/* With use_hierarchy=0 (v1) a child in the tree is not charged to its parent there. */
static __always_inline int charges_parent(__u64 memcg) {
  __u64 parent = css_parent(memcg + bpf_core_field_offset(struct mem_cgroup, css));
  return parent && PAGE_COUNTER_FIELD(memcg, parent) == parent + bpf_core_field_offset(struct mem_cgroup, memory);
}

/* v1: of this cgroup alone; v2: of the subtree. */
static __always_inline __u64 oom_kills(__u64 memcg) {
  const __u64 kill = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_KILL);
  return read_u64(memcg + bpf_core_field_offset(struct mem_cgroup, memory_events) + kill * sizeof(atomic_long_t));
}

static __always_inline void read_memory(__u64 memcg, struct memory_record *record) {
  record->usage_pages = page_counter_usage(memcg);
  record->peak_pages = PAGE_COUNTER_FIELD(memcg, watermark);
  record->limit_pages = page_counter_limit(memcg);
  record->failcnt = limit_hits(memcg);
  record->oom_kills = oom_kills(memcg);
  record->min_pages = PAGE_COUNTER_FIELD(memcg, min);
  record->swap_pages = COUNTER_FIELD(memcg, swap, usage);
  record->swap_limit_pages = COUNTER_FIELD(memcg, swap, max);
  record->kernel_pages = bpf_core_field_exists(struct mem_cgroup, kmem) ? COUNTER_FIELD(memcg, kmem, usage) : 0;
  record->soft_limit_pages = bpf_core_field_exists(struct mem_cgroup, soft_limit)
                                 ? read_u64(memcg + bpf_core_field_offset(struct mem_cgroup, soft_limit))
                                 : 0;
  read_stats(memcg, record->stat, record->pending);
}

#endif
