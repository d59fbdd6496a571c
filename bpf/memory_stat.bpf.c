// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * find_stats: at which position of a memory cgroup's arrays the kernel keeps each figure of memory.stat.
 *
 * Hook:    none. Run by BPF_PROG_TEST_RUN (raw_tp) at start. args[0] and args[1]: addresses of the kernel's tables
 *          mem_cgroup_stats_index and mem_cgroup_events_index, 0 where there is none. Returns a bit for each STAT_*.
 * Rate:    once.
 * Kernels: 5.10 and later.
 * Without: none of the figures of memory.stat: no rss, cache, working set, page faults.
 */
#include "bpf/memory_stat.bpf.h"

struct stat_places stat_places SEC(".data.places");

/* Whether memory is that of cgroup v2; set before loading. */
const volatile __u32 memory_is_unified = 0;

#define ITEM(type, value) \
  (bpf_core_enum_value_exists(enum type, value) ? (int)bpf_core_enum_value(enum type, value) : -1)

/* Items in an array; 0 if this kernel has no such array. */
#define ROOM(structure, field) \
  (bpf_core_field_exists(structure, field) ? (int)(bpf_core_field_size(structure, field) / sizeof(long)) : 0)

/*
 * mm/memcontrol.c: arrays with room for every item are indexed by the item; smaller ones by a table. The events'
 * came first (6.1): int, 1 more than the position. When pages got theirs (6.10), both became s8 and the position.
 */
static __always_inline int place_of(int item, int direct, __u64 table, int bytewise) {
  if (item < 0 || direct) return item;
  if (!table) return -1;
  if (bytewise) {
    __s8 place = -1;
    bpf_probe_read_kernel(&place, sizeof(place), (void *)(table + item));
    return place;
  }
  __s32 place = 0;
  bpf_probe_read_kernel(&place, sizeof(place), (void *)(table + item * sizeof(__s32)));
  return place - 1;
}

SEC("raw_tp")
int find_stats(struct bpf_raw_tracepoint_args *ctx) {
  const int in_struct = bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats);
  const int pages_direct = in_struct || ROOM(struct memcg_vmstats, state) >= ITEM(memcg_stat_item, MEMCG_NR_STAT);
  const int events_direct = in_struct || ROOM(struct memcg_vmstats, events) >= ITEM(vm_event_item, NR_VM_EVENT_ITEMS);
  const __u64 pages_table = ctx->args[0];
  const __u64 events_table = ctx->args[1];
  int found = 0;

#define FIND_PAGES(stat, type, value) \
  stat_places.place[stat] = place_of(ITEM(type, value), pages_direct, pages_table, 1)
#define FIND_EVENTS(stat, value) \
  stat_places.place[stat] = place_of(ITEM(vm_event_item, value), events_direct, events_table, pages_table != 0)
  FIND_PAGES(STAT_ANON, node_stat_item, NR_ANON_MAPPED);
  FIND_PAGES(STAT_FILE, node_stat_item, NR_FILE_PAGES);
  FIND_PAGES(STAT_INACTIVE_FILE, node_stat_item, NR_INACTIVE_FILE);
  FIND_PAGES(STAT_ACTIVE_FILE, node_stat_item, NR_ACTIVE_FILE);
  FIND_PAGES(STAT_MAPPED_FILE, node_stat_item, NR_FILE_MAPPED);
  FIND_PAGES(STAT_SWAP, memcg_stat_item, MEMCG_SWAP);
  FIND_PAGES(STAT_KERNEL, memcg_stat_item, MEMCG_KMEM);
  FIND_EVENTS(STAT_FAULTS, PGFAULT);
  FIND_EVENTS(STAT_MAJOR_FAULTS, PGMAJFAULT);

  for (int stat = 0; stat < STATS; stat++) {
    if (stat_places.place[stat] >= 0) found |= 1 << stat;
  }
  stat_places.known = found;
  return found;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
