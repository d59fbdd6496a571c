/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_MKDIR_BPF_H
#define KATAMETER_GUEST_MKDIR_BPF_H

#include "bpf/lib/cgroup.bpf.h"

/* When the containers' cgroups of one hierarchy were made: kernfs id -> CLOCK_BOOTTIME, ns. Sized before loading. Each
 * file that uses the map declares it like this; the static linker makes one of them. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, __u64);
} mkdir_times SEC(".maps") __weak;

/* That hierarchy (WALK_*); set before loading. Ids are a hierarchy's own, and a container has the same age in all. */
extern const volatile __u32 mkdir_hierarchy;

/* "0::" in /proc/PID/cgroup */
static __always_inline int is_unified(__u64 cgroup) {
  __u64 root = KREAD(struct cgroup, cgroup, root);
  return KREAD(struct cgroup_root, root, hierarchy_id) == 0;
}

static __always_inline int is_mkdir_hierarchy(__u64 cgroup) {
  if (mkdir_hierarchy == WALK_UNIFIED) return is_unified(cgroup);
  int index = hierarchy_index(mkdir_hierarchy);
  return index >= 0 && cgroup_css(cgroup, index) != 0;
}

/* 0: it was made before the probe started, or is of another hierarchy. */
static __always_inline __u64 mkdir_time_of(__u64 cgroup, __u64 id) {
  __u64 *made = is_mkdir_hierarchy(cgroup) ? bpf_map_lookup_elem(&mkdir_times, &id) : 0;
  return made ? *made : 0;
}

#endif
