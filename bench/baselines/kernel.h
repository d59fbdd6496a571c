/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_BENCH_RIVALS_KERNEL_H
#define KATAMETER_BENCH_RIVALS_KERNEL_H

/* The kernel's fields that the baselines read. */

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
  __u64 id;
};

struct cgroup {
  struct kernfs_node *kn;
};

struct cgroup_subsys_state {
  struct cgroup *cgroup;
};

struct css_set {
  struct cgroup_subsys_state *subsys[14];
};

struct task_struct {
  int pid;
  struct css_set *cgroups;
};

#pragma clang attribute pop

/* What such a collector keeps of a process or a cgroup. */
struct usage {
  __u64 cpu_ns;
  __u64 switches;
};

#endif
