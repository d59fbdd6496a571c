/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_TASKS_READ_BPF_H
#define KATAMETER_TASKS_READ_BPF_H

#include "bpf/cgroup.bpf.h"

/* The same in cgroup v1 and v2: what the cpu and the pids controller keep of a cgroup. 0: the controller is not there.
 */

#define BANDWIDTH_FIELD(group, field)                                  \
  ((group) + bpf_core_field_offset(struct task_group, cfs_bandwidth) + \
   bpf_core_field_offset(struct cfs_bandwidth, field))

/* cpu.cfs_quota_us, cpu.cfs_period_us, cpu.shares and cpu.stat; cpu.max, cpu.weight (kernel/sched/core.c). */
static __always_inline int read_bandwidth(__u64 cgroup, struct bandwidth_record *record) {
  __u64 css = cpu_index() < 0 ? 0 : cgroup_css(cgroup, cpu_index());
  if (!css || !bpf_core_field_exists(struct task_group, cfs_bandwidth) ||
      !bpf_core_field_exists(struct task_group, shares))
    return 0;
  __u64 group = css - bpf_core_field_offset(struct task_group, css);
  record->shares = read_u64(group + bpf_core_field_offset(struct task_group, shares));
  record->quota_ns = read_u64(BANDWIDTH_FIELD(group, quota));
  record->period_ns = read_u64(BANDWIDTH_FIELD(group, period));
  record->periods = read_u32(BANDWIDTH_FIELD(group, nr_periods));
  record->throttled_periods = read_u32(BANDWIDTH_FIELD(group, nr_throttled));
  record->throttled_ns = read_u64(BANDWIDTH_FIELD(group, throttled_time));
  return 1;
}

/* The cgroup that a hierarchy begins with is part of its cgroup_root. */
struct cgroup_root___first {
  struct cgroup cgrp;
} __attribute__((preserve_access_index));

static __always_inline __u64 pids_limit(__u64 css) {
  __u64 pids = css - bpf_core_field_offset(struct pids_cgroup, css);
  return read_u64(pids + bpf_core_field_offset(struct pids_cgroup, limit));
}

/*
 * pids.current and pids.max (kernel/cgroup/pids.c). What "max" is in numbers depends on how large the kernel was built
 * (PID_MAX_LIMIT with CONFIG_BASE_SMALL, as in Kata's); the root has it and nobody can set another one there.
 */
static __always_inline int read_tasks(__u64 cgroup, struct tasks_record *record) {
  __u64 css = pids_index() < 0 ? 0 : cgroup_css(cgroup, pids_index());
  if (!css || !bpf_core_field_exists(struct pids_cgroup, counter)) return 0;
  __u64 root = read_u64(cgroup + bpf_core_field_offset(struct cgroup, root));
  __u64 root_css = cgroup_css(root + bpf_core_field_offset(struct cgroup_root___first, cgrp), pids_index());
  __u64 pids = css - bpf_core_field_offset(struct pids_cgroup, css);
  record->current = read_u64(pids + bpf_core_field_offset(struct pids_cgroup, counter));
  record->max = pids_limit(css);
  if (root_css && record->max >= pids_limit(root_css)) record->max = NO_TASKS_LIMIT;
  return 1;
}

#endif
