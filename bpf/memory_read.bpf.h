/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_MEMORY_READ_BPF_H
#define KATAMETER_MEMORY_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/percpu.bpf.h"

#define PAGE_COUNTER_FIELD(memcg, field) \
  read_u64((memcg) + bpf_core_field_offset(struct mem_cgroup, memory) + bpf_core_field_offset(struct page_counter, field))

static __always_inline __u64 page_counter_usage(__u64 memcg) { return PAGE_COUNTER_FIELD(memcg, usage); }
static __always_inline __u64 page_counter_limit(__u64 memcg) { return PAGE_COUNTER_FIELD(memcg, max); }

/* Pages of one kind: `stat` what the CPUs handed in, subtree included, `pending` what they have not (mm/memcontrol.c,
 * __mod_memcg_state: a CPU hands in when it has more than 32 pages). Together they are exact. */
static __always_inline void read_stat(__u64 memcg, __u64 percpu, int item, __s64 *stat, __s64 *pending) {
  __u64 shared = bpf_core_field_offset(struct mem_cgroup___in_struct, vmstats);
  __u64 own = bpf_core_field_offset(struct memcg_vmstats_percpu___in_struct, stat);
  *stat = read_u64(memcg + shared + item * sizeof(long));
  *pending = percpu_sum(percpu + own + item * sizeof(long));
}

static __always_inline void read_memory(__u64 memcg, struct memory_record *record) {
  __u64 events = bpf_core_field_offset(struct mem_cgroup, memory_events);
  int oom_kill = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_KILL);

  record->usage_pages = page_counter_usage(memcg);
  record->peak_pages = PAGE_COUNTER_FIELD(memcg, watermark);
  record->limit_pages = page_counter_limit(memcg);
  record->failcnt = PAGE_COUNTER_FIELD(memcg, failcnt);
  record->oom_kills = read_u64(memcg + events + oom_kill * sizeof(atomic_long_t));

  /* With use_hierarchy=0 (v1) a child in the tree is not charged to its parent there. */
  __u64 parent = css_parent(memcg);
  if (parent && PAGE_COUNTER_FIELD(memcg, parent) == parent + bpf_core_field_offset(struct mem_cgroup, memory))
    record->node.flags |= NODE_CHARGES_PARENT;

  if (!bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats))
    return;
  __u64 percpu = read_u64(memcg + bpf_core_field_offset(struct mem_cgroup___in_struct, vmstats_percpu));
  read_stat(memcg, percpu, bpf_core_enum_value(enum node_stat_item, NR_ANON_MAPPED), &record->stat[STAT_ANON],
            &record->pending[STAT_ANON]);
  read_stat(memcg, percpu, bpf_core_enum_value(enum node_stat_item, NR_FILE_PAGES), &record->stat[STAT_FILE],
            &record->pending[STAT_FILE]);
  read_stat(memcg, percpu, bpf_core_enum_value(enum node_stat_item, NR_INACTIVE_FILE),
            &record->stat[STAT_INACTIVE_FILE], &record->pending[STAT_INACTIVE_FILE]);
}

#endif
