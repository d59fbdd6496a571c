/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_STAT_COPY_H
#define KATAMETER_STAT_COPY_H

#include <linux/types.h>

enum {
  STAT_ROOM = 128, /* items of one of the kernel's arrays */
};

/* What a memory cgroup's arrays hold (memory_stat.bpf.h), of the subtree, as handed in by the CPUs. */
struct stat_copy {
  __s64 pages[STAT_ROOM];
  __s64 events[STAT_ROOM];
};

#endif
