/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_HUGETLB_BPF_H
#define KATAMETER_GUEST_HUGETLB_BPF_H

#include "bpf/guest/records.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/lib/cgroup.bpf.h"
#include "bpf/lib/walk.bpf.h"

/*
 * Huge pages of a cgroup and all below it (mm/hugetlb_cgroup.c): what hugetlb.SIZE.* shows.
 */

/* Where the kernel has a size (HUGE_*) in the arrays of struct hugetlb_cgroup: the index, and 1 more; 0: this machine does
 * not have it. Written by find_huge_pages (guest/hugetlb.bpf.c). */
extern __u32 huge_places[HUGE_SIZES];

/* Whether huge pages are read, and whether their controller is in cgroup v2; set before loading. */
extern const volatile __u32 reads_hugetlb;
extern const volatile __u32 hugetlb_is_unified;

/* The state of the controller of a cgroup in its hierarchy; 0 if it is of another, or is not to be read. */
static __always_inline __u64 hugetlb_css(__u64 cgroup) {
  return reads_hugetlb && hugetlb_index() >= 0 ? cgroup_css(cgroup, hugetlb_index()) : 0;
}

/* Whether there was ever anything to count. */
static __always_inline int read_hugetlb(__u64 css, struct hugetlb_counts *counts) {
  const __u64 hugetlb = CONTAINER(struct hugetlb_cgroup, css, css);
  __u64 any = 0;

  /* The verifier looks at the functions below also where nothing calls them. */
  if (!bpf_core_field_exists(struct hugetlb_cgroup, hugepage)) return 0;
#pragma clang loop unroll(disable)
  for (int size = 0; size < HUGE_SIZES; size++) {
    const __u32 place = huge_places[size];
    __u64 usage = 0, peak = 0, failcnt = 0;
    if (place) {
      const __u64 index = place - 1;
      const __u64 counter =
          FIELD(struct hugetlb_cgroup, hugetlb, hugepage) + index * bpf_core_type_size(struct page_counter);
      usage = KREAD(struct page_counter, counter, usage);
      peak = KREAD(struct page_counter, counter, watermark);
      failcnt = hugetlb_is_unified
                    ? read_u64(FIELD(struct hugetlb_cgroup, hugetlb, events) + index * sizeof(atomic_long_t))
                    : KREAD(struct page_counter, counter, failcnt);
    }
    counts->value[HUGETLB_USAGE + size] = usage;
    counts->value[HUGETLB_PEAK + size] = peak;
    counts->value[HUGETLB_FAILCNT + size] = failcnt;
    any |= usage | peak | failcnt;
  }
  return any != 0;
}

#ifdef KATAMETER_WALKS

/*
 * Read together with memory, in a walk that is asked for them (WALK_HUGETLB): of cgroup v2 in the walk of memory, of v1 in
 * a walk of its own, whose hierarchy has hardly more cgroups than those of containers. What one walk has found stays until
 * the next such walk: no two have to agree on it, as they have to on memory.
 */

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct hugetlb_record);
} hugetlb_records SEC(".maps");

static struct container_walk hugetlb_containers __attribute__((used));
static __u32 hugetlb_rows __attribute__((used));
static __u32 hugetlb_wanted __attribute__((used)); /* in this walk */

static __always_inline void add_hugetlb(__u64 css, __u64 id) {
  const __u32 row = hugetlb_rows;
  struct hugetlb_record *record = css ? bpf_map_lookup_elem(&hugetlb_records, &row) : 0;

  if (!record || !read_hugetlb(css, &record->counts)) return;
  record->id = id;
  hugetlb_rows = row + 1;
}

static __always_inline void visit_hugetlb(struct walk *walk) {
  if (find_row(walk, &hugetlb_containers, &hugetlb_records) != VISIT_CONTAINER) return;
  walk->leave_out = 1;
  add_hugetlb(walk->css, hugetlb_containers.id);
}

DEFINE_WALK(hugetlb, visit_hugetlb)

/* Before the walk of memory. */
static __always_inline void begin_hugetlb(__u64 request) {
  hugetlb_wanted = reads_hugetlb && request == WALK_HUGETLB;
  if (!hugetlb_wanted) return;
  hugetlb_rows = 0;
  if (hugetlb_is_unified) return;
  start_rows(&hugetlb_containers);
  hugetlb_walk_below(hierarchy_root(hugetlb_index()));
}

/* After it. */
static __always_inline void end_hugetlb(void) {
  struct guest_status *status = guest_status();
  if (status) status->hugetlb_rows = hugetlb_rows;
}

#endif /* KATAMETER_WALKS */

#endif
