// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs that walk the cgroups of a hierarchy when the host asks: collect_names, below, and in the header of its
 * subject collect_cpu, collect_unified, collect_memory, collect_pressure. One object has them all, for libbpf's linker
 * takes a kernel function (read.bpf.h) from one only. Other objects that read the same subjects do not define
 * KATAMETER_WALKS.
 */
#define KATAMETER_WALKS
#include "bpf/guest/cpu.bpf.h"
#include "bpf/guest/memory.bpf.h"
#include "bpf/guest/pressure.bpf.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/lib/request.bpf.h"
#include "bpf/lib/walk.bpf.h"

/*
 * collect_names: the names of the containers' cgroups and of those above them, and the containers' age.
 *
 * Hook:    none. Run (lib/request.bpf.h) when a walk has met a container that has no name in user space yet, for the
 *          requested hierarchy (WALK_*).
 * Rate:    at start, and once after a container was made.
 * Costs:   0.08 to 0.09 us a cgroup, 0.05 to 0.09 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          runs by bpf_stats; 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later.
 * Without: no container has a row.
 */

/* Names are requested seldom, and user space copies every walk: they have no room of their own. */
_Static_assert(sizeof(struct name_record) <= sizeof(struct memory_record), "a name has its room");

static struct container_walk named_rows __attribute__((used));

/* The way down to the css of the walk, and from which level on it has no record yet. */
static __u64 named_above[CONTAINER_LEVELS] __attribute__((used));
static __u32 named_from __attribute__((used));
static __u32 names __attribute__((used)); /* records */

__weak __noinline int OWN(add_name)(__u64 css, __u32 depth) {
  const __u32 row = names;
  struct name_record *record = bpf_map_lookup_elem(&memory_records, &row);
  const __u64 node = css_kernfs_node(css);

  if (!record) return 0;
  record->id = kernfs_id(node);
  record->depth = depth;
  record->id_begin = 0;
  record->made_ns = 0;
  copy_kernfs_name(node, record->name);
  names = row + 1;
  return 1;
}

/* The cgroups above a container that have no record yet, and then the container. */
static __always_inline void add_container_name(const struct walk *walk) {
  for (__u32 depth = 0; depth < CONTAINER_LEVELS; depth++) {
    if (depth >= walk->depth) break;
    if (depth >= named_from) OWN(add_name)(named_above[depth], depth);
  }
  named_from = walk->depth;
  if (!OWN(add_name)(walk->css, walk->depth)) return;
  const __u32 row = names - 1;
  struct name_record *record = bpf_map_lookup_elem(&memory_records, &row);
  if (!record) return;
  const __u64 name = kernfs_name(css_kernfs_node(walk->css));
  record->made_ns = mkdir_time_of(css_cgroup(walk->css), record->id);
  record->id_begin = OWN(find_id)(name);
  if (record->id_begin)
    bpf_probe_read_kernel(record->container, CONTAINER_DIGITS, (void *)(name + record->id_begin - 1));
}

static __always_inline void visit_name(struct walk *walk) {
  if (walk->depth < named_from) named_from = walk->depth;
  if (walk->depth < CONTAINER_LEVELS) named_above[walk->depth & (CONTAINER_LEVELS - 1)] = walk->css;
  if (find_row(walk, &named_rows, &memory_records) != VISIT_CONTAINER) return;
  walk->leave_out = 1;
  add_container_name(walk);
}

DEFINE_WALK(names, visit_name)

ITER_PROGRAM(collect_names) {
  start_rows(&named_rows);
  named_from = 0;
  names = 0;
  const int complete =
      names_walk_below(request == WALK_UNIFIED ? css_root(unified_css()) : hierarchy_root(hierarchy_index(request)));
  named_rows.rows = names;
  return row_answer(&named_rows, complete);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
