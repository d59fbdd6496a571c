/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_CGROUP_WALK_BPF_H
#define KATAMETER_CGROUP_WALK_BPF_H

#include "bpf/cgroup.bpf.h"

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

#endif
