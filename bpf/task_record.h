/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_TASK_RECORD_H
#define KATAMETER_TASK_RECORD_H

/* What walk_tasks writes for a task. */

#include <linux/types.h>

enum {
  TASK_LEADER = 1 << 0,  /* leader of a thread group; its cpu_ns includes the group's threads that have died */
  TASK_PROCESS = 1 << 1, /* the process is one that cgroup.procs lists: a leader, and not all of its threads are dead */
  TASK_KERNEL = 1 << 2,  /* a kernel thread */
  TASK_AGENT = 1 << 3,   /* of the Kata agent's process */
  TASK_END = 1 << 4,     /* no task: all have been written, and there is nothing more to read */
};

/* Of each process, of each thread of the agent and of guest-probe, and of each kernel thread. */
struct task_record {
  __u64 cgroup_id;         /* kernfs id, in the hierarchy that the walk was asked for */
  __u64 container_id;      /* of the container's cgroup that it is in; 0: none */
  __u64 start_boottime_ns; /* task_struct.start_boottime */
  __u64 cpu_ns;            /* task_struct.se.sum_exec_runtime */
  __u32 pid;
  __u32 tgid;
  __u32 flags; /* TASK_* */
  __u32 reserved;
};

#endif
