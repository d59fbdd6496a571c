/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_CONTAINER_WALK_BPF_H
#define KATAMETER_CONTAINER_WALK_BPF_H

#include "bpf/cgroup_walk.bpf.h"
#include "bpf/containers.bpf.h"

/*
 * A walk that gives one record to the root, one to each container, and one to all containers that find no room (records.h,
 * ROW_*). What is below a container's cgroup is the container's. Cgroups of the guest system have no record, nor what is
 * below a container that was removed: its last values are in the ring `removed`.
 */

/* What a visit found. */
enum {
  VISIT_NONE, /* a cgroup of the guest system, or one that was removed */
  VISIT_ROOT,
  VISIT_CONTAINER, /* the outermost one */
  VISIT_NESTED,    /* below one; removed ones that the kernel still counts with it are among them */
};

struct container_walk {
  __u64 id;        /* kernfs id of the container */
  __u32 depth;     /* of the container that the walk is in; 0: it is in none */
  __u32 row;       /* the record that the visit is for */
  __u32 rows;      /* records in use */
  __u32 left_over; /* containers that found no room */
};

static __always_inline void start_rows(struct container_walk *at) {
  at->id = 0;
  at->depth = 0;
  at->row = ROW_ROOT;
  at->rows = FIRST_ROW;
  at->left_over = 0;
}

/* VISIT_*; with the record in `at->row`. `records`: the map, which has room for so many. */
static __always_inline int find_row(struct walk *walk, struct container_walk *at, void *records) {
  if (!walk->depth) {
    at->row = ROW_ROOT;
    return VISIT_ROOT;
  }
  if (at->depth && walk->depth > at->depth) return VISIT_NESTED;
  at->depth = 0;
  if (!css_is_online(walk->css)) {
    walk->leave_out = 1;
    return VISIT_NONE;
  }
  at->id = container_id_of(css_cgroup(walk->css));
  if (!at->id) return VISIT_NONE;
  at->depth = walk->depth;
  at->row = at->rows;
  if (bpf_map_lookup_elem(records, &at->row)) {
    at->rows++;
  } else {
    at->left_over++;
    at->row = ROW_REST;
  }
  return VISIT_CONTAINER;
}

/* What a program answers: ANSWER_* in records.h. */
static __always_inline __u32 row_answer(const struct container_walk *at, int complete) {
  const __u32 left_over = at->left_over < ANSWER_MAX_LEFT_OVER ? at->left_over : ANSWER_MAX_LEFT_OVER;
  return at->rows | left_over << ANSWER_LEFT_OVER_SHIFT | (complete ? 0 : ANSWER_INCOMPLETE);
}

/* Takes a value into a checksum over all that was added to a record, by which two walks are compared. */
static __always_inline __u64 add_check(__u64 check, __u64 value) {
  return (check ^ value) * 0x9e3779b97f4a7c15ULL + (check >> 29);
}

#endif
