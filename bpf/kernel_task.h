/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_TASK_H
#define KATAMETER_KERNEL_TASK_H

#include "bpf/kernel.h"
#include "bpf/kernel_iter.h"

/* What the walk over all tasks reads beside kernel.h. */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* kernel/bpf/map_iter.c: what an iterator that needs the keys is called with. */
struct bpf_iter__bpf_map_elem___key {
  struct bpf_iter_meta *meta;
  void *key;
  void *value;
};

/* include/linux/sched.h; sched_info is there with CONFIG_SCHED_INFO. */
struct sched_info___count {
  unsigned long pcount;
};

struct task_struct___switches {
  unsigned long nvcsw;
  unsigned long nivcsw;
};

/* include/linux/sched.h; exit_state is set after the task has left its cgroup's list (do_exit: cgroup_exit, then
 * exit_notify). */
struct task_struct___life {
  int exit_state;
};

#pragma clang attribute pop

#endif
