// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * copy_stats: for kernels that keep the figures of memory.stat by a table which cannot be seen (memory_stat.bpf.c). User
 * space compares the copies with memory.stat, and learns which position is which figure's
 * (guest-probe/self_check/stat_learner.h).
 *
 * Hook:    none. Run when user space asks (on_request.bpf.h), for the id of a memory cgroup; the answer is how many
 *          pages' items there are, and from bit 16 on events'; 0: no such cgroup.
 * Rate:    once for each cgroup that is compared: at start, and at some later snapshots until all is learned.
 * Kernels: 6.1 and later, without CONFIG_KALLSYMS_ALL.
 * Without: there, none of the figures that find_stats does not find.
 */
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/memory_stat.bpf.h"
#include "bpf/on_request.bpf.h"
#include "bpf/stat_copy.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
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

ON_REQUEST(copy_stats) {
  const __u32 pages_bytes = COPY_BYTES(bpf_core_field_size(struct memcg_vmstats, state));
  const __u32 events_bytes = COPY_BYTES(bpf_core_field_size(struct memcg_vmstats, events));
  struct stat_arrays pages = {}, events = {};
  __u32 zero = 0;
  struct stat_copy *copy = bpf_map_lookup_elem(&stat_copies, &zero);

  if (!copy) return 0;
  wanted_id = asked;
  wanted_css = 0;
  wanted_walk_below(hierarchy_root(memory_index()));
  if (!wanted_css) return 0;
  if (!find_arrays(wanted_css - bpf_core_field_offset(struct mem_cgroup, css), &pages, &events)) return 0;
  bpf_probe_read_kernel(copy->pages, pages_bytes, (void *)pages.shared);
  bpf_probe_read_kernel(copy->events, events_bytes, (void *)events.shared);
  return pages_bytes / sizeof(long) | events_bytes / sizeof(long) << 16;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
