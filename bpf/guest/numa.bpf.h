/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_NUMA_BPF_H
#define KATAMETER_GUEST_NUMA_BPF_H

#include "bpf/guest/records.h"
#include "bpf/kernel.h"
#include "bpf/lib/percpu.bpf.h"

/*
 * Pages of a memory cgroup on the lists for reclaim, by NUMA node: what memory.numa_stat is about (mm/memcontrol.c). The
 * file shows counters that each CPU keeps a part of, and that a flush brings up to date. The lengths of the lists are the
 * same numbers without that; they are of one cgroup alone. While the multi-gen LRU is switched on, pages are on lists of
 * generations, and on the others is only what is unevictable.
 *
 * Read in the walk of memory, in a guest with more than one node only.
 */

/* A bit for each node that has memory; 0: there is only one, and nothing is read. Set before loading. */
const volatile __u32 memory_nodes = 0;

/* As the rows of memory_records; filled in where memory_nodes is not 0. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct numa_record);
} numa_records SEC(".maps");

enum {
  NUMA_ZONES = 8, /* no kernel has more (MAX_NR_ZONES) */
};

/* The lists of a node, while it is read: a row for each zone. "used": see lib/walk.bpf.h. */
static unsigned long zone_lists[NUMA_ZONES][NR_LRU_LISTS] __attribute__((used));

/* The same of generations: rows of anonymous pages and of files' in turn, each with a column for each zone. */
enum {
  GENERATION_ROWS = 8,
};
static unsigned long generation_lists[GENERATION_ROWS * NUMA_ZONES] __attribute__((used));

static __always_inline void add_generations(__u64 lruvec, __u32 zones, __u64 *pages) {
  __u64 at = FIELD(struct lruvec, lruvec, lrugen);
  __u64 bytes;

  if (bpf_core_field_exists(struct lru_gen_folio, nr_pages)) {
    at = FIELD(struct lru_gen_folio, at, nr_pages);
    bytes = bpf_core_field_size(struct lru_gen_folio, nr_pages);
  } else {
    at = FIELD(struct lru_gen_struct, at, nr_pages);
    bytes = bpf_core_field_size(struct lru_gen_struct, nr_pages);
  }
  if (bytes > sizeof(generation_lists)) return;
  bpf_probe_read_kernel(generation_lists, bytes, (void *)at);
  for (__u32 row = 0; row < GENERATION_ROWS; row++) {
    for (__u32 zone = 0; zone < NUMA_ZONES; zone++) {
      const __u32 place = row * zones + zone;
      if (zone >= zones || (place + 1) * sizeof(generation_lists[0]) > bytes) break;
      pages[row & 1 ? NUMA_FILE : NUMA_ANON] += generation_lists[place & (GENERATION_ROWS * NUMA_ZONES - 1)];
    }
  }
}

/* A function of its own: the verifier checks it once, for all nodes and both callers. */
__weak __noinline int OWN(add_node)(__u64 memcg, __u32 row, __u32 node) {
  struct numa_record *record = bpf_map_lookup_elem(&numa_records, &row);

  if (!record || !bpf_core_field_exists(struct mem_cgroup_per_node, lru_zone_size)) return 0;
  const __u64 bytes = bpf_core_field_size(struct mem_cgroup_per_node, lru_zone_size);
  const __u64 at = read_u64(FIELD(struct mem_cgroup, memcg, nodeinfo) + node * sizeof(void *));
  __u64 *pages = record->pages[node & (NUMA_NODES - 1)];
  __u32 zones = 0;
  if (bytes > sizeof(zone_lists)) return 0;
  bpf_probe_read_kernel(zone_lists, bytes, (void *)FIELD(struct mem_cgroup_per_node, at, lru_zone_size));
  for (__u32 zone = 0; zone < NUMA_ZONES; zone++) {
    const unsigned long *lists = zone_lists[zone];
    if ((zone + 1) * sizeof(zone_lists[0]) > bytes) break;
    zones = zone + 1;
    pages[NUMA_FILE] += lists[LRU_INACTIVE_FILE] + lists[LRU_ACTIVE_FILE];
    pages[NUMA_ANON] += lists[LRU_INACTIVE_ANON] + lists[LRU_ACTIVE_ANON];
    pages[NUMA_UNEVICTABLE] += lists[LRU_UNEVICTABLE];
  }
  if (bpf_core_field_exists(struct lruvec, lrugen))
    add_generations(FIELD(struct mem_cgroup_per_node, at, lruvec), zones, pages);
  return 1;
}

/* Adds the pages of a memory cgroup to the record of a row, which `first` makes empty. */
static __always_inline void add_numa(__u64 memcg, __u32 row, int first) {
  struct numa_record *record = memory_nodes ? bpf_map_lookup_elem(&numa_records, &row) : 0;

  if (!record) return;
  if (first) *record = (struct numa_record){};
  for (__u32 node = 0; node < NUMA_NODES; node++)
    if (memory_nodes >> node & 1) OWN(add_node)(memcg, row, node);
}

#endif
