/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_IO_REMOVAL_BPF_H
#define KATAMETER_IO_REMOVAL_BPF_H

#include "bpf/cgroup_walk.bpf.h"
#include "bpf/io_read.bpf.h"

/* The last values of a cgroup's block I/O. cgroup_mutex keeps this alone here. "used": see cgroup_walk.bpf.h. */
static struct io_total io_gone[IO_REMOVED] __attribute__((used));
static __u32 io_gone_lost __attribute__((used));

static __always_inline void add_io_gone(__u32 device, int with_below) {
  for (int slot = 0; slot < IO_REMOVED; slot++) {
    struct io_total *total = &io_gone[slot];
    if (total->device && total->device != device) continue;
    total->device = device;
    for (int i = 0; i < IO_COUNTS; i++)
      total->counts.count[i] += io_part.own.count[i] - (with_below ? io_part.handed_up.count[i] : 0);
    return;
  }
  io_gone_lost++;
}

/* v2: what removed cgroups inside this one did may still be on its way up. v1: it is in io_left. */
static __always_inline void visit_io_gone(struct walk *walk) {
  __u64 node = walk->depth && io_is_v1 ? 0 : first_io_device(walk->css);
  for (int i = 0; i < IO_DEVICES && node; i++, node = next_io_device(node)) {
    __u32 device = OWN(read_io)(io_device_at(node));
    if (device) add_io_gone(device, walk->depth != 0);
  }
}

DEFINE_WALK(io_gone, visit_io_gone)

/* A function of its own, as the kernel wants no more than 512 bytes of stack. 0: there was no room. */
__noinline int io_gone_leave(__u32 slot, __u64 cgroup_id, __u64 parent_id) {
  if (slot >= IO_REMOVED) return 0;
  struct io_total *total = &io_gone[slot];
  add_io_left(cgroup_id, total->device, &total->counts);
  return !io_is_v1 || leave_io(cgroup_id, parent_id, total->device, &total->counts);
}

/*
 * Notes in io_gone what the cgroup did, if it is in the hierarchy of block I/O, and in v1 leaves it to the parent. How
 * many devices that are.
 */
static __always_inline __u32 take_io(__u64 cgroup, __u64 id, struct guest_status *status) {
  __u64 css = io_css(cgroup);
  __u32 filled = 0;

  io_gone_lost = 0;
  if (!css || !bpf_core_field_exists(struct blkcg_gq, iostat_cpu)) return 0;
  for (int slot = 0; slot < IO_REMOVED; slot++) io_gone[slot] = (struct io_total){};
  io_gone_walk_below(css);
  __u64 parent = css_parent(css);
  /* The root's is nobody's. */
  __u64 parent_id = parent && css_parent(parent) ? kernfs_id(css_kernfs_node(parent)) : 0;
  for (int slot = 0; slot < IO_REMOVED; slot++) {
    if (!io_gone[slot].device) break;
    if (!io_gone_leave(slot, id, parent_id)) __sync_fetch_and_add(&status->io_lost, 1);
    filled++;
  }
  return filled;
}

#endif
