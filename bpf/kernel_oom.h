/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_OOM_H
#define KATAMETER_KERNEL_OOM_H

/* What we read of the OOM killer; the rules are those of kernel.h. */

#include "bpf/kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/oom.h: one attempt to find memory by a kill. */
enum oom_constraint {
  CONSTRAINT_MEMCG,
};

struct oom_control {
  struct zonelist *zonelist;
  struct mem_cgroup *memcg; /* whose limit was hit; NULL: the whole machine is out of memory */
  const int order;          /* -1: asked for by hand (SysRq) */
  unsigned long totalpages;
  struct task_struct *chosen;
  enum oom_constraint constraint;
};

#pragma clang attribute pop

#endif
