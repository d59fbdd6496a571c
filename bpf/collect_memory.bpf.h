/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_MEMORY_BPF_H
#define KATAMETER_COLLECT_MEMORY_BPF_H

/*
 * collect_memory: the memory counters of every container that the memory controller knows, and what containers did on
 * block devices (io_walk.bpf.h).
 *
 * Hook:    none. Run when the host asks (on_request.bpf.h).
 * Rate:    twice per snapshot, until two runs agree (guest-probe/account/memory_account.h, io_account.h).
 * Costs:   0.17 to 0.24 us a cgroup, 0.27 of 1,000, which are in no cache; with direct reads (read.bpf.h) 0.10 to 0.12
 *          and 0.19 (the fastest of test runs; 6.18, JIT, 2 CPUs, all figures of memory.stat, no block I/O).
 * Kernels: 5.10 and later; the figures of memory.stat where find_stats finds them (memory_stat.bpf.c); block I/O with
 *          CONFIG_BLK_CGROUP, in cgroup v1 before 6.2 (3b8cc6298724).
 * Without: no container has a memory figure, nor one of block I/O.
 */
#include "bpf/container_walk.bpf.h"
#include "bpf/io_walk.bpf.h"
#include "bpf/memory_read.bpf.h"
#include "bpf/on_request.bpf.h"
#include "bpf/stalls.bpf.h"

/* Also the room in which collect_names.bpf.h leaves its records. */
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
  const __u64 memcg = walk->css - bpf_core_field_offset(struct mem_cgroup, css);

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
  add_stall_sum(record->id, record);
}

DEFINE_WALK(memory, visit_memory)

ON_REQUEST(collect_memory) {
  const __u64 io = walk_io();
  start_rows(&memory_rows);
  clear_memory_row(ROW_ROOT);
  clear_memory_row(ROW_REST);
  const int complete = memory_walk_below(hierarchy_root(memory_index()));
  return row_answer(&memory_rows, complete) | io << 32;
}

#endif
