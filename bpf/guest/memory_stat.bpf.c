// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * find_stats: at which index of a memory cgroup's arrays the kernel keeps each figure of memory.stat.
 *
 * Hook:    none. Run by BPF_PROG_TEST_RUN (raw_tp) at start. args[0] and args[1]: addresses of the kernel's tables
 *          mem_cgroup_stats_index and mem_cgroup_events_index, 0 where there is none. Returns a bit for each STAT_*.
 * Rate:    once.
 * Kernels: 5.10 and later.
 * Without: none of the figures of memory.stat: no rss, cache, working set, page faults.
 *
 * copy_stats: for kernels that keep the figures of memory.stat by a table which cannot be seen. User space compares the
 * copies with memory.stat, and resolves which index is which figure's (guest-probe/self_check/stat_indices.h).
 *
 * Hook:    none. Run when user space asks (lib/request.bpf.h), for the id of a memory cgroup; the answer is how many
 *          pages' items there are, and from bit 16 on events'; 0: no such cgroup.
 * Rate:    once for each cgroup that is compared: at start, and at some later snapshots until all are resolved.
 * Kernels: 6.1 and later, without CONFIG_KALLSYMS_ALL.
 * Without: there, none of the figures that find_stats does not find.
 */
#include "bpf/guest/memory.bpf.h"
#include "bpf/lib/request.bpf.h"
#include "bpf/lib/walk.bpf.h"

struct stat_index stat_index SEC(".data.stat_index");

/* Whether memory is that of cgroup v2; set before loading. */
const volatile __u32 memory_is_unified = 0;

#define ITEM(type, value) \
  (bpf_core_enum_value_exists(enum type, value) ? (int)bpf_core_enum_value(enum type, value) : -1)

/* Items in an array; 0 if this kernel has no such array. */
#define ROOM(structure, field) \
  (bpf_core_field_exists(structure, field) ? (int)(bpf_core_field_size(structure, field) / sizeof(long)) : 0)

/*
 * mm/memcontrol.c: arrays with room for every item are indexed by the item; smaller ones by a table. The events'
 * came first (6.1): int, 1 more than the index. When pages got theirs (6.10), both became s8 and the index.
 */
static __always_inline int index_of(int item, int direct, __u64 table, int bytewise) {
  if (item < 0 || direct) return item;
  if (!table) return -1;
  if (bytewise) {
    __s8 index = -1;
    bpf_probe_read_kernel(&index, sizeof(index), (void *)(table + item));
    return index;
  }
  __s32 index = 0;
  bpf_probe_read_kernel(&index, sizeof(index), (void *)(table + item * sizeof(__s32)));
  return index - 1;
}

SEC("raw_tp")
int find_stats(struct bpf_raw_tracepoint_args *ctx) {
  const int in_struct = bpf_core_field_exists(struct mem_cgroup___in_struct, vmstats);
  const int pages_direct = in_struct || ROOM(struct memcg_vmstats, state) >= ITEM(memcg_stat_item, MEMCG_NR_STAT);
  const int events_direct = in_struct || ROOM(struct memcg_vmstats, events) >= ITEM(vm_event_item, NR_VM_EVENT_ITEMS);
  const __u64 pages_table = ctx->args[0];
  const __u64 events_table = ctx->args[1];
  int found = 0;

#define FIND_PAGES(stat, type, value) stat_index.of[stat] = index_of(ITEM(type, value), pages_direct, pages_table, 1)
#define FIND_EVENTS(stat, value) \
  stat_index.of[stat] = index_of(ITEM(vm_event_item, value), events_direct, events_table, pages_table != 0)
  for (int item = 0; item < STAT_ITEMS; item++) stat_index.of[item] = -1;
  FIND_PAGES(STAT_ANON, node_stat_item, NR_ANON_MAPPED);
  FIND_PAGES(STAT_FILE, node_stat_item, NR_FILE_PAGES);
  FIND_PAGES(STAT_INACTIVE_FILE, node_stat_item, NR_INACTIVE_FILE);
  FIND_PAGES(STAT_ACTIVE_FILE, node_stat_item, NR_ACTIVE_FILE);
  FIND_PAGES(STAT_MAPPED_FILE, node_stat_item, NR_FILE_MAPPED);
  FIND_PAGES(STAT_INACTIVE_ANON, node_stat_item, NR_INACTIVE_ANON);
  FIND_PAGES(STAT_ACTIVE_ANON, node_stat_item, NR_ACTIVE_ANON);
  FIND_PAGES(STAT_UNEVICTABLE, node_stat_item, NR_UNEVICTABLE);
  FIND_PAGES(STAT_SHMEM, node_stat_item, NR_SHMEM);
  FIND_PAGES(STAT_DIRTY, node_stat_item, NR_FILE_DIRTY);
  FIND_PAGES(STAT_WRITEBACK, node_stat_item, NR_WRITEBACK);
  FIND_PAGES(STAT_SWAP, memcg_stat_item, MEMCG_SWAP);
  FIND_PAGES(STAT_KERNEL, memcg_stat_item, MEMCG_KMEM);
  FIND_EVENTS(STAT_FAULTS, PGFAULT);
  FIND_EVENTS(STAT_MAJOR_FAULTS, PGMAJFAULT);
  /* v1's memory.stat does not show these: they are not read there. */
  if (memory_is_unified) {
    FIND_PAGES(STAT_SLAB_RECLAIMABLE, node_stat_item, NR_SLAB_RECLAIMABLE_B);
    FIND_PAGES(STAT_SLAB_UNRECLAIMABLE, node_stat_item, NR_SLAB_UNRECLAIMABLE_B);
    FIND_PAGES(STAT_KERNEL_STACK, node_stat_item, NR_KERNEL_STACK_KB);
    FIND_PAGES(STAT_PAGE_TABLES, node_stat_item, NR_PAGETABLE);
    FIND_PAGES(STAT_REFAULT_ANON, node_stat_item, WORKINGSET_REFAULT_ANON);
    FIND_PAGES(STAT_REFAULT_FILE, node_stat_item, WORKINGSET_REFAULT_FILE);
    FIND_PAGES(STAT_SOCKETS, memcg_stat_item, MEMCG_SOCK);
    FIND_PAGES(STAT_PER_CPU, memcg_stat_item, MEMCG_PERCPU_B);
    FIND_PAGES(STAT_ZSWAP, memcg_stat_item, MEMCG_ZSWAP_B);
    FIND_PAGES(STAT_ZSWAPPED, memcg_stat_item, MEMCG_ZSWAPPED);
    FIND_EVENTS(STAT_SCANNED, PGSCAN_KSWAPD);
    FIND_EVENTS(ITEM_SCANNED_DIRECT, PGSCAN_DIRECT);
    FIND_EVENTS(ITEM_SCANNED_KHUGEPAGED, PGSCAN_KHUGEPAGED);
    FIND_EVENTS(ITEM_SCANNED_PROACTIVE, PGSCAN_PROACTIVE);
    FIND_EVENTS(STAT_RECLAIMED, PGSTEAL_KSWAPD);
    FIND_EVENTS(ITEM_RECLAIMED_DIRECT, PGSTEAL_DIRECT);
    FIND_EVENTS(ITEM_RECLAIMED_KHUGEPAGED, PGSTEAL_KHUGEPAGED);
    FIND_EVENTS(ITEM_RECLAIMED_PROACTIVE, PGSTEAL_PROACTIVE);
  }

  for (int stat = 0; stat < STATS; stat++) {
    if (stat_index.of[stat] >= 0) found |= 1 << stat;
  }
  stat_index.known = found;
  return found;
}

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct stat_copy);
} stat_copies SEC(".maps");

/* "used": see lib/walk.bpf.h. */
static __u64 wanted_id __attribute__((used));
static __u64 wanted_css __attribute__((used));

static __always_inline void visit_wanted(struct walk *walk) {
  if (kernfs_id(css_kernfs_node(walk->css)) == wanted_id) wanted_css = walk->css;
}

DEFINE_WALK(wanted, visit_wanted)

#define COPY_BYTES(size) \
  ((size) < sizeof(((struct stat_copy *)0)->pages) ? (size) : sizeof(((struct stat_copy *)0)->pages))

ITER_PROGRAM(copy_stats) {
  const __u32 pages_bytes = COPY_BYTES(bpf_core_field_size(struct memcg_vmstats, state));
  const __u32 events_bytes = COPY_BYTES(bpf_core_field_size(struct memcg_vmstats, events));
  struct stat_arrays pages = {}, events = {};
  __u32 zero = 0;
  struct stat_copy *copy = bpf_map_lookup_elem(&stat_copies, &zero);

  if (!copy) return 0;
  wanted_id = request;
  wanted_css = 0;
  wanted_walk_below(hierarchy_root(memory_index()));
  if (!wanted_css) return 0;
  if (!find_arrays(CONTAINER(struct mem_cgroup, wanted_css, css), &pages, &events)) return 0;
  bpf_probe_read_kernel(copy->pages, pages_bytes, (void *)pages.shared);
  bpf_probe_read_kernel(copy->events, events_bytes, (void *)events.shared);
  return pages_bytes / sizeof(long) | events_bytes / sizeof(long) << 16;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
