// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * copy_stats and place_stats: for kernels that keep the figures of memory.stat by a table which cannot be seen
 * (memory_stat.bpf.c). User space compares the copies with memory.stat, learns which position is which figure's
 * (guest-probe/self_check/stat_learning.h), and says so.
 *
 * Hook:    none. Run by BPF_PROG_TEST_RUN (raw_tp) at start. copy_stats: args[0] is the id of a memory cgroup; returns
 *          how many pages' items there are, and from bit 16 on events'; 0: no such cgroup. place_stats: args[] are the
 *          positions of STAT_*, 1 added to each; 0 leaves one as it is.
 * Rate:    once for each cgroup that is compared; place_stats once.
 * Kernels: 6.1 and later, without CONFIG_KALLSYMS_ALL.
 * Without: there, none of the figures that find_stats does not find.
 */
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/memory_stat.bpf.h"
#include "bpf/stat_copy.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct stat_copy);
} stat_copies SEC(".maps");

/* "used": see cgroup_walk.bpf.h. */
static __u64 wanted_id __attribute__((used));
static __u64 wanted_css __attribute__((used));

static __always_inline void visit_wanted(struct walk *walk) {
  if (kernfs_id(css_kernfs_node(walk->css)) == wanted_id) wanted_css = walk->css;
}

DEFINE_WALK(wanted, visit_wanted)

#define COPY_BYTES(size) \
  ((size) < sizeof(((struct stat_copy *)0)->pages) ? (size) : sizeof(((struct stat_copy *)0)->pages))

SEC("raw_tp")
int copy_stats(struct bpf_raw_tracepoint_args *ctx) {
  const __u32 pages_bytes = COPY_BYTES(bpf_core_field_size(struct memcg_vmstats, state));
  const __u32 events_bytes = COPY_BYTES(bpf_core_field_size(struct memcg_vmstats, events));
  struct stat_arrays pages = {}, events = {};
  __u32 zero = 0;
  struct stat_copy *copy = bpf_map_lookup_elem(&stat_copies, &zero);

  if (!copy) return 0;
  wanted_id = ctx->args[0];
  wanted_css = 0;
  wanted_walk_below(hierarchy_root(memory_index()));
  if (!wanted_css) return 0;
  if (!find_arrays(wanted_css - bpf_core_field_offset(struct mem_cgroup, css), &pages, &events)) return 0;
  bpf_probe_read_kernel(copy->pages, pages_bytes, (void *)pages.shared);
  bpf_probe_read_kernel(copy->events, events_bytes, (void *)events.shared);
  return pages_bytes / sizeof(long) | events_bytes / sizeof(long) << 16;
}

SEC("raw_tp")
int place_stats(struct bpf_raw_tracepoint_args *ctx) {
#define PLACE(stat) \
  if (ctx->args[stat]) stat_place[stat] = (__s32)ctx->args[stat] - 1
  PLACE(STAT_ANON);
  PLACE(STAT_FILE);
  PLACE(STAT_INACTIVE_FILE);
  PLACE(STAT_ACTIVE_FILE);
  PLACE(STAT_MAPPED_FILE);
  PLACE(STAT_SWAP);
  PLACE(STAT_KERNEL);
  PLACE(STAT_FAULTS);
  PLACE(STAT_MAJOR_FAULTS);
  find_spans();
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
