/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_MEMORY_BPF_H
#define KATAMETER_COLLECT_MEMORY_BPF_H

/*
 * collect_memory: the memory counters of every cgroup that the memory controller knows, and what cgroups did on block
 * devices (io_walk.bpf.h).
 *
 * Hook:    none. Run when the host asks (on_request.bpf.h).
 * Rate:    twice per snapshot, until two runs agree (guest-probe/account/memory_account.h, io_account.h).
 * Costs:   0.17 to 0.24 us a cgroup, 0.27 of 1,000, which are in no cache; with direct reads (read.bpf.h) 0.10 to 0.12
 *          and 0.19 (the fastest of test runs; 6.18, JIT, 2 CPUs, all figures of memory.stat, no block I/O).
 * Kernels: 5.10 and later; the figures of memory.stat where find_stats finds them (memory_stat.bpf.c); block I/O with
 *          CONFIG_BLK_CGROUP, in cgroup v1 before 6.2 (3b8cc6298724).
 * Without: no container has a memory figure, nor one of block I/O.
 */
#include "bpf/cgroup_walk.bpf.h"
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

static __always_inline void visit_memory(__u64 css, __u32 depth, __u32 position) {
  struct memory_record *record = bpf_map_lookup_elem(&memory_records, &position);
  if (!record) return;
  describe_css(css, depth, &record->node);
  /* struct cgroup_subsys_state is the first member of struct mem_cgroup (mem_cgroup_from_css). */
  read_memory(css - bpf_core_field_offset(struct mem_cgroup, css), record);
  read_stalls(record->node.id, record);
}

DEFINE_WALK(memory, visit_memory)

ON_REQUEST(collect_memory) {
  const __u64 io = walk_io();
  return memory_walk_below(hierarchy_root(memory_index())) | io << 32;
}

#endif
