/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_IO_WALK_BPF_H
#define KATAMETER_IO_WALK_BPF_H

#include "bpf/cgroup_walk.bpf.h"
#include "bpf/io_read.bpf.h"

/*
 * The walk of block I/O: a record for each device of each cgroup. It is made together with that of memory, for it too
 * has to be made twice, and a program of its own would cost each Collect four system calls more.
 */

/* Whether this kernel counts block I/O where we look; set before loading. */
const volatile __u32 reads_io = 0;
const volatile __u32 io_is_v1 = 0;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct io_record);
} io_records SEC(".maps");

DEFINE_IO_READER(io)

/* "used": see cgroup_walk.bpf.h. */
static __u32 io_rows __attribute__((used));
static __u32 io_unseen __attribute__((used)); /* devices that found no room */

static __always_inline void visit_io(__u64 css, __u32 depth, __u32 position) {
  const int dying = is_dying(css);
  __u64 node = first_io_device(css);

  /* The root's is the whole guest's. v1: note_removal has handed on what a dying one had. */
  if (!depth || (dying && io_is_v1)) return;
  for (int i = 0; i < IO_DEVICES && node; i++, node = next_io_device(node)) {
    __u32 device = io_read(io_device_at(node));
    __u32 row = io_rows;
    if (!device) continue;
    struct io_record *record = bpf_map_lookup_elem(&io_records, &row);
    if (!record) {
      io_unseen++;
      continue;
    }
    record->node.id = kernfs_id(css_kernfs_node(css));
    record->node.depth = depth;
    record->node.flags = dying ? 0 : NODE_ONLINE;
    record->device = device;
    record->own = io_part.own;
    add_io_left(record->node.id, device, &record->own);
    record->handed_up = io_part.handed_up;
    record->taken = io_part.taken;
    io_rows = row + 1;
  }
  if (node) io_unseen++;
}

DEFINE_WALK(io, visit_io)

/* How many records there are, and from bit 16 on how many found no room. */
static __always_inline __u32 walk_io(void) {
  if (!reads_io || !bpf_core_field_exists(struct blkcg_gq, iostat_cpu)) return 0;
  io_rows = 0;
  io_unseen = 0;
  io_walk_below(hierarchy_root(io_index()));
  return (io_rows & 0xffff) | (io_unseen > 0xffff ? 0xffff : io_unseen) << 16;
}

#endif
