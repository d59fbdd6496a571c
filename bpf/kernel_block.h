/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_BLOCK_H
#define KATAMETER_KERNEL_BLOCK_H

#include "bpf/kernel.h"

/* Block I/O of cgroups: block/blk-cgroup.h (include/linux/blk-cgroup.h before 5.18), with CONFIG_BLK_CGROUP. */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

enum cgroup_subsys_id___io {
  io_cgrp_id,
};

enum css_flags___dying {
  CSS_DYING = 1 << 4, /* since its rmdir has begun */
};

struct blkcg {
  struct cgroup_subsys_state css;
  struct hlist_head blkg_list;
};

/* Rows of reads, writes and discards. */
struct blkg_iostat {
  __u64 bytes[1];
  __u64 ios[1];
};

struct blkg_iostat_set {
  struct blkg_iostat cur;
  struct blkg_iostat last;
};

/* One for each device of a cgroup, made when it, or one below it, first uses the device. */
struct blkcg_gq {
  struct request_queue *q;
  struct hlist_node blkcg_node;
  struct blkg_iostat_set *iostat_cpu;
  struct blkg_iostat_set iostat;
};

struct request_queue {
  struct backing_dev_info *backing_dev_info;
};

/* The disk has it since 5.15 (edb0872f44ec), and the queue knows its disk (d152c682f03c). */
struct request_queue___disk {
  struct gendisk *disk;
};

struct gendisk {
  struct backing_dev_info *bdi;
};

struct device {
  __u32 devt;
};

/* include/linux/backing-dev-defs.h: `owner` is the disk. */
struct backing_dev_info {
  struct device *owner;
};

#pragma clang attribute pop

#endif
