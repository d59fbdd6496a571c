/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_LIB_CGROUP_BPF_H
#define KATAMETER_LIB_CGROUP_BPF_H

#include "bpf/kernel_task.h"
#include "bpf/lib/records.h"

/* Index of a controller in subsys[]; -1 if the kernel was built without it. It shifts with the configuration. */
static __always_inline int cpuacct_index(void) {
  if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, cpuacct_cgrp_id)) return -1;
  return bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id);
}

static __always_inline int cpu_index(void) {
  if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id)) return -1;
  return bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
}

static __always_inline int pids_index(void) {
  if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id)) return -1;
  return bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
}

static __always_inline int memory_index(void) {
  if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) return -1;
  return bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
}

/* v1 calls it blkio. */
static __always_inline int io_index(void) {
  if (!bpf_core_enum_value_exists(enum cgroup_subsys_id___io, io_cgrp_id)) return -1;
  return bpf_core_enum_value(enum cgroup_subsys_id___io, io_cgrp_id);
}

static __always_inline int hugetlb_index(void) {
  if (!bpf_core_enum_value_exists(enum cgroup_subsys_id___hugetlb, hugetlb_cgrp_id)) return -1;
  return bpf_core_enum_value(enum cgroup_subsys_id___hugetlb, hugetlb_cgrp_id);
}

static __always_inline int cpuset_index(void) {
  if (!bpf_core_enum_value_exists(enum cgroup_subsys_id___cpuset, cpuset_cgrp_id)) return -1;
  return bpf_core_enum_value(enum cgroup_subsys_id___cpuset, cpuset_cgrp_id);
}

/* The controller whose hierarchy a program is asked to walk. */
static __always_inline int hierarchy_index(__u64 walk) {
  if (walk == WALK_CPU) return cpu_index();
  if (walk == WALK_PIDS) return pids_index();
  if (walk == WALK_IO) return io_index();
  if (walk == WALK_HUGETLB) return hugetlb_index();
  if (walk == WALK_CPUSET) return cpuset_index();
  return walk == WALK_MEMORY ? memory_index() : cpuacct_index();
}

/* The state that a controller keeps for a task's cgroup. */
static __always_inline __u64 task_css(__u64 task, int index) {
  __u64 css_set = KREAD(struct task_struct, task, cgroups);
  return read_u64(FIELD(struct css_set, css_set, subsys) + index * sizeof(void *));
}

/* The state that a controller keeps for a cgroup of its hierarchy; 0 in a hierarchy of other controllers. */
static __always_inline __u64 cgroup_css(__u64 cgroup, int index) {
  return read_u64(FIELD(struct cgroup, cgroup, subsys) + index * sizeof(void *));
}

/* The running task's place in cgroup v2; its css of no controller, which makes up the whole tree. */
static __always_inline __u64 unified_css(void) {
  __u64 css_set = KREAD(struct task_struct, bpf_get_current_task(), cgroups);
  __u64 cgroup = KREAD(struct css_set, css_set, dfl_cgrp);
  return cgroup ? FIELD(struct cgroup, cgroup, self) : 0;
}

/* Whether a cgroup is in cgroup v2: "0::" in /proc/PID/cgroup. */
static __always_inline int is_unified(__u64 cgroup) {
  __u64 root = KREAD(struct cgroup, cgroup, root);
  return KREAD(struct cgroup_root, root, hierarchy_id) == 0;
}

static __always_inline __u64 css_parent(__u64 css) {
  return KREAD(struct cgroup_subsys_state, css, parent);
}

static __always_inline __u64 css_cgroup(__u64 css) {
  return KREAD(struct cgroup_subsys_state, css, cgroup);
}

/* The address of a program's argument, as a number: what the verifier knows as a pointer no global function takes. */
static __always_inline __u64 cgroup_address(const struct cgroup *cgroup) {
  return css_cgroup(FIELD(struct cgroup, (__u64)cgroup, self));
}

static __always_inline __u64 css_kernfs_node(__u64 css) {
  return KREAD(struct cgroup, css_cgroup(css), kn);
}

static __always_inline __u64 kernfs_id(__u64 node) {
  return KREAD(struct kernfs_node, node, id);
}

static __always_inline __u64 kernfs_name(__u64 node) {
  return KREAD(struct kernfs_node, node, name);
}

static __always_inline void copy_kernfs_name(__u64 node, char *name) {
  bpf_probe_read_kernel_str(name, NAME_BYTES, (void *)kernfs_name(node));
}

static __always_inline int css_is_online(__u64 css) {
  return (KREAD(struct cgroup_subsys_state, css, flags) & CSS_ONLINE) != 0;
}

#endif
