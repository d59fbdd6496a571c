/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_IO_WALK_BPF_H
#define KATAMETER_IO_WALK_BPF_H

#include "bpf/container_walk.bpf.h"
#include "bpf/io_read.bpf.h"

/*
 * The walk of block I/O: a record for each device of each container. It is made together with that of memory, for it too
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

static struct container_walk io_containers __attribute__((used));
static __u32 io_rows __attribute__((used));
static __u32 io_first_row __attribute__((used)); /* of the container */
static __u32 io_unseen __attribute__((used));    /* devices that found no room */

/* The index of the record of one device of a container. Adds a record if there is none; ~0: the map is full. */
__weak __noinline __u32 OWN(find_io_row)(__u32 device) {
  for (__u32 i = 0; i < IO_DEVICES; i++) {
    const __u32 row = io_first_row + i;
    if (row >= io_rows) break;
    const struct io_record *record = bpf_map_lookup_elem(&io_records, &row);
    if (record && record->device == device) return row;
  }
  const __u32 next = io_rows;
  struct io_record *record = next - io_first_row < IO_DEVICES ? bpf_map_lookup_elem(&io_records, &next) : 0;
  if (!record) {
    io_unseen++;
    return ~0U;
  }
  record->id = io_containers.id;
  record->device = device;
  for (int i = 0; i < IO_COUNTS; i++) record->counts.count[i] = 0;
  record->check = 0;
  io_rows = next + 1;
  return next;
}

/* Adds io_part to the container's record of the device. */
__weak __noinline int OWN(add_io)(__u32 device, __u64 cgroup_id, __u32 nested) {
  const __u32 row = OWN(find_io_row)(device);
  struct io_record *record = bpf_map_lookup_elem(&io_records, &row);
  if (!record) return 0;
  __u64 check = add_check(record->check, io_part.taken);
  add_io_left(cgroup_id, device, &io_part.own);
  for (int i = 0; i < IO_COUNTS; i++) {
    record->counts.count[i] += io_part.own.count[i] - (nested ? io_part.handed_up.count[i] : 0);
    check = add_check(check, io_part.handed_up.count[i]);
  }
  record->check = check;
  return 1;
}

static __always_inline void visit_io(struct walk *walk) {
  /* The root's is the whole guest's. One that is being removed: note_removal has, or will have, its last values. */
  if (walk->depth && is_dying(walk->css) && (io_is_v1 || walk->depth <= io_containers.depth || !io_containers.depth)) {
    walk->leave_out = 1;
    return;
  }
  const int found = find_row(walk, &io_containers, &io_records);
  if (found != VISIT_CONTAINER && found != VISIT_NESTED) return;
  if (found == VISIT_CONTAINER) io_first_row = io_rows;
  __u64 node = first_io_device(walk->css);
  for (int i = 0; i < IO_DEVICES && node; i++, node = next_io_device(node)) {
    const __u32 device = OWN(read_io)(io_device_at(node));
    if (device) OWN(add_io)(device, kernfs_id(css_kernfs_node(walk->css)), found == VISIT_NESTED);
  }
  if (node) io_unseen++;
}

DEFINE_WALK(io, visit_io)

/* How many records there are, and from bit 16 on how many found no room. */
static __always_inline __u32 walk_io(void) {
  if (!reads_io || !bpf_core_field_exists(struct blkcg_gq, iostat_cpu)) return 0;
  start_rows(&io_containers);
  io_rows = 0;
  io_first_row = 0;
  io_unseen = 0;
  io_walk_below(hierarchy_root(io_index()));
  return (io_rows & 0xffff) | (io_unseen > 0xffff ? 0xffff : io_unseen) << 16;
}

#endif
