/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_IO_RECORD_H
#define KATAMETER_IO_RECORD_H

#include <linux/types.h>

enum {
  IO_DEVICES = 16, /* devices of a cgroup that are read */
  IO_REMOVED = 4,  /* of a removed one */
};

/* In the order in which struct io_counts has them. */
enum {
  IO_READ_BYTES,
  IO_WRITE_BYTES,
  IO_READS,
  IO_WRITES,
  IO_COUNTS,
};

struct io_counts {
  __u64 count[IO_COUNTS];
};

/* What a cgroup did on a device, last values. */
struct io_total {
  __u32 device; /* as in struct io_record */
  __u32 reserved;
  struct io_counts counts; /* of the subtree */
};

/* A cgroup and a device. */
struct io_key {
  __u64 cgroup_id;
  __u32 device;
  __u32 reserved;
};

#endif
