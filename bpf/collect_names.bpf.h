/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_NAMES_BPF_H
#define KATAMETER_COLLECT_NAMES_BPF_H

/*
 * collect_names: the name and the age of every cgroup of one hierarchy, in the order in which the other walks find them.
 *
 * Hook:    none. Run (on_request.bpf.h) when a walk has met a cgroup that has no name in user space yet, for the
 *          hierarchy that is asked for (WALK_*).
 * Rate:    at start, and once after a cgroup was made.
 * Costs:   0.08 to 0.09 us a cgroup, 0.05 to 0.09 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          runs by bpf_stats; 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later.
 * Without: no cgroup is known to be a container.
 */
#include "bpf/birth.bpf.h"
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/collect_memory.bpf.h"
#include "bpf/on_request.bpf.h"

/* Names are asked for seldom, and user space copies every walk: they have no room of their own. */
_Static_assert(sizeof(struct name_record) <= sizeof(struct memory_record), "a name has its room");

static __always_inline void visit_name(__u64 css, __u32 depth, __u32 position) {
  struct name_record *record = bpf_map_lookup_elem(&memory_records, &position);
  if (!record) return;
  __u64 node = css_kernfs_node(css);
  record->id = kernfs_id(node);
  record->depth = depth;
  record->made_ns = birth_of(css_cgroup(css), record->id);
  kernfs_name(node, record->name);
}

DEFINE_WALK(names, visit_name)

ON_REQUEST(collect_names) {
  if (asked == WALK_UNIFIED) return names_walk_below(css_root(unified_css()));
  return names_walk_below(hierarchy_root(hierarchy_index(asked)));
}

#endif
