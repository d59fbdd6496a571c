/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_SCHED_RECORD_H
#define KATAMETER_SCHED_RECORD_H

#include <linux/types.h>

enum {
  SCHED_RUN,         /* task_struct.se.sum_exec_runtime, ns */
  SCHED_WAIT,        /* task_struct.sched_info.run_delay, ns */
  SCHED_PERIODS,     /* task_struct.sched_info.pcount */
  SCHED_VOLUNTARY,   /* task_struct.nvcsw */
  SCHED_INVOLUNTARY, /* task_struct.nivcsw */
  SCHED_FIGURES,
};

/* Of all tasks that a container has or had; what is read from the iterator walk_sched_sums. */
struct sched_record {
  __u64 container_id; /* as in struct task_record */
  __u64 sum[SCHED_FIGURES];
};

#endif
