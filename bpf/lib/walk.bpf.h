/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_LIB_WALK_BPF_H
#define KATAMETER_LIB_WALK_BPF_H

#include "bpf/lib/cgroup.bpf.h"
#include "bpf/lib/container.bpf.h"

/*
 * Visits cgroups of a hierarchy, parents first, in one run of a program. The kernel holds rcu_read_lock() throughout, so
 * that nothing on the way is freed.
 *
 * 5.10's verifier has neither unbounded loops nor bpf_loop() (5.17), and one long loop over everything is beyond its
 * limits. It checks a global function on its own, whoever calls it; so the walk is cut into steps: the program calls
 * stretches, a stretch calls chunks, a chunk calls steps, and the place in the tree is kept in a global variable in
 * between.
 */

enum {
  WALK_STRETCHES = 32,
  WALK_CHUNKS = 64, /* in a stretch */
  WALK_STEPS = 64,  /* in a chunk; a cgroup takes one, one with others below it two: 65,000 cgroups at least */
};

struct walk {
  __u64 root; /* css, as everywhere: an address */
  __u64 css;
  __u32 depth;
  __u32 ascending;
  __u32 leave_out; /* set by a visit: what is below this css is not visited */
  __u32 done;
};

/* The root of the tree that a css is in. */
static __always_inline __u64 css_root(__u64 css) {
  for (int level = 0; level < 64; level++) {
    __u64 parent = css ? css_parent(css) : 0;
    if (!parent) break;
    css = parent;
  }
  return css;
}

/* Goes through a css and all below it. */
static __always_inline void walk_start(struct walk *walk, __u64 css) {
  walk->root = css;
  walk->css = css;
  walk->depth = 0;
  walk->ascending = 0;
  walk->leave_out = 0;
  walk->done = css == 0;
}

/* One step on; call after the visit where `ascending` is 0. */
static __always_inline void walk_advance(struct walk *walk) {
  const __u64 children = bpf_core_field_offset(struct cgroup_subsys_state, children);
  const __u64 sibling = bpf_core_field_offset(struct cgroup_subsys_state, sibling);

  if (!walk->ascending && !walk->leave_out) {
    __u64 child = read_u64(walk->css + children);
    if (child && child != walk->css + children) {
      walk->css = child - sibling;
      walk->depth++;
      return;
    }
  }
  walk->leave_out = 0;
  if (walk->css == walk->root) {
    walk->done = 1;
    return;
  }
  __u64 parent = css_parent(walk->css);
  __u64 next = read_u64(walk->css + sibling);
  if (!parent || !next) {
    walk->done = 1;
  } else if (next == parent + children) {
    walk->css = parent;
    walk->depth--;
    walk->ascending = 1;
  } else {
    walk->css = next - sibling;
    walk->ascending = 0;
  }
}

/*
 * Defines NAME_walk_below(css), to be called by the program NAME: it calls `visit(walk)` for this cgroup and each below.
 * 1: all were visited; 0: the tree was larger than a walk may be.
 *
 * "used" keeps clang from taking the variable apart, the BTF of which the kernel would refuse.
 */
#define DEFINE_WALK(NAME, visit)                            \
  static struct walk NAME##_walk __attribute__((used));     \
  __noinline int NAME##_step(void) {                        \
    if (!NAME##_walk.ascending) visit(&NAME##_walk);        \
    walk_advance(&NAME##_walk);                             \
    return NAME##_walk.done;                                \
  }                                                         \
  __noinline int NAME##_chunk(void) {                       \
    for (int i = 0; i < WALK_STEPS; i++)                    \
      if (NAME##_step()) return 1;                          \
    return 0;                                               \
  }                                                         \
  __noinline int NAME##_stretch(void) {                     \
    for (int i = 0; i < WALK_CHUNKS; i++)                   \
      if (NAME##_chunk()) return 1;                         \
    return 0;                                               \
  }                                                         \
  static __always_inline int NAME##_walk_below(__u64 css) { \
    walk_start(&NAME##_walk, css);                          \
    for (int i = 0; i < WALK_STRETCHES; i++)                \
      if (NAME##_walk.done || NAME##_stretch()) return 1;   \
    return 0;                                               \
  }

/* The root of the hierarchy that the running task is in with the given controller. */
static __always_inline __u64 hierarchy_root(int index) {
  return index < 0 ? 0 : css_root(task_css(bpf_get_current_task(), index));
}

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
