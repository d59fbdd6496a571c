/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_IO_READ_BPF_H
#define KATAMETER_IO_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/io_left.bpf.h"
#include "bpf/percpu.bpf.h"

/*
 * Block I/O of a cgroup (block/blk-cgroup.c): each CPU counts the bios in `iostat_cpu`, whatever policies, rules and
 * limits there are. In cgroup v2 a flush, which readers of io.stat make, takes what the CPUs have counted to `iostat`
 * and on to the parent's (blkcg_rstat_flush). v1 never flushes. What a v1 kernel shows instead, blkio.throttle.*, is
 * the throttling policy's own count: of no bio at all where no rule is set (6.1), of split bios' bytes twice (5.10).
 *
 * Everything is read in the order opposite to a flush's: one in between makes a figure too small, never too large.
 */

#define IO_FIELD(blkg, field) ((blkg) + bpf_core_field_offset(struct blkcg_gq, field))

/* The state of the io controller (v1: blkio) of a cgroup in its hierarchy; 0 if it is of another. */
static __always_inline __u64 io_css(__u64 cgroup) {
  return io_index() < 0 ? 0 : cgroup_css(cgroup, io_index());
}

/* The first of a cgroup's devices, and the one after; as list nodes. */
static __always_inline __u64 first_io_device(__u64 css) {
  __u64 blkcg = css - bpf_core_field_offset(struct blkcg, css);
  return read_u64(blkcg + bpf_core_field_offset(struct blkcg, blkg_list));
}

static __always_inline __u64 next_io_device(__u64 node) {
  return read_u64(node + bpf_core_field_offset(struct hlist_node, next));
}

static __always_inline __u64 io_device_at(__u64 node) {
  return node - bpf_core_field_offset(struct blkcg_gq, blkcg_node);
}

/* The number of the device; 0 if it is being added or taken away. */
static __always_inline __u32 io_device_number(__u64 blkg) {
  __u64 queue = read_u64(IO_FIELD(blkg, q));
  __u64 bdi = 0;
  __u32 number = 0;

  if (bpf_core_field_exists(struct gendisk, bdi)) {
    __u64 disk = read_u64(queue + bpf_core_field_offset(struct request_queue___disk, disk));
    if (disk) bdi = read_u64(disk + bpf_core_field_offset(struct gendisk, bdi));
  } else {
    bdi = read_u64(queue + bpf_core_field_offset(struct request_queue, backing_dev_info));
  }
  __u64 owner = bdi ? read_u64(bdi + bpf_core_field_offset(struct backing_dev_info, owner)) : 0;
  if (owner)
    bpf_probe_read_kernel(&number, sizeof(number), (void *)(owner + bpf_core_field_offset(struct device, devt)));
  return number;
}

/* Reads come first in the kernel's rows, writes after them. */
static __always_inline void read_iostat(__u64 iostat, struct io_counts *counts) {
  bpf_probe_read_kernel(&counts->count[IO_READ_BYTES], 2 * sizeof(__u64),
                        (void *)(iostat + bpf_core_field_offset(struct blkg_iostat, bytes)));
  bpf_probe_read_kernel(&counts->count[IO_READS], 2 * sizeof(__u64),
                        (void *)(iostat + bpf_core_field_offset(struct blkg_iostat, ios)));
}

/* One device of a cgroup while it is read. */
struct io_part {
  struct io_counts own;       /* with what those below have handed up */
  struct io_counts handed_up; /* the part of it that the parent's `own` has, too */
  __u64 taken;                /* what flushes have taken from the CPUs so far, all figures: rises with each */
  struct io_counts of_cpu[2]; /* counted and flushed; here, for the kernel wants no more than 512 bytes of stack */
};

/* "used": see cgroup_walk.bpf.h. */
static struct io_part io_part __attribute__((used));

static __always_inline void add_iostat(__u64 offset, __u64 per_cpu, __u64 unused1, __u64 unused2) {
  struct io_counts *counted = &io_part.of_cpu[0], *flushed = &io_part.of_cpu[1];
  __u64 of_cpu = per_cpu + offset;

  read_iostat(of_cpu + bpf_core_field_offset(struct blkg_iostat_set, cur), counted);
  read_iostat(of_cpu + bpf_core_field_offset(struct blkg_iostat_set, last), flushed);
  for (int i = 0; i < IO_COUNTS; i++) {
    io_part.own.count[i] += counted->count[i] - flushed->count[i];
    io_part.taken += flushed->count[i];
  }
}

DEFINE_CPU_LOOP(iostat, add_iostat)

/*
 * Reads a device into io_part and gives its number; 0: there is nothing to read. A function of its own, so that the
 * verifier goes through it once and not once a device.
 */
__weak __noinline int OWN(read_io)(__u64 blkg) {
  if (!bpf_core_field_exists(struct blkcg_gq, iostat_cpu)) return 0;
  io_part.taken = 0;
  read_iostat(IO_FIELD(blkg, iostat) + bpf_core_field_offset(struct blkg_iostat_set, cur), &io_part.own);
  read_iostat(IO_FIELD(blkg, iostat) + bpf_core_field_offset(struct blkg_iostat_set, last), &io_part.handed_up);
  iostat_on_cpus(read_u64(IO_FIELD(blkg, iostat_cpu)), 0, 0);
  return (int)io_device_number(blkg);
}

/* Whether the removal of a cgroup has begun; guest_removal has its last values from about then on. */
static __always_inline int is_dying(__u64 css) {
  return (read_u32(css + bpf_core_field_offset(struct cgroup_subsys_state, flags)) & CSS_DYING) != 0;
}

#endif
