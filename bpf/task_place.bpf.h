/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_TASK_PLACE_BPF_H
#define KATAMETER_TASK_PLACE_BPF_H

#include "bpf/containers.bpf.h"

/* The hierarchy in which tasks are looked up (WALK_*); set before loading. */
extern const volatile __u32 tasks_hierarchy;

#define TASK_FIELD(task, field) ((task) + bpf_core_field_offset(struct task_struct, field))

static __always_inline __u64 task_cgroup(__u64 task) {
  if (tasks_hierarchy != WALK_UNIFIED) return css_cgroup(task_css(task, hierarchy_index(tasks_hierarchy)));
  __u64 css_set = read_u64(TASK_FIELD(task, cgroups));
  return read_u64(css_set + bpf_core_field_offset(struct css_set, dfl_cgrp));
}

/* The kernfs id of the container's cgroup that a task is in; 0: it is the guest system's. */
static __always_inline __u64 task_container(__u64 task) {
  return container_id_of(task_cgroup(task));
}

#endif
