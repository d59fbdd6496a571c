/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_STATE_BPF_H
#define KATAMETER_GUEST_STATE_BPF_H

#include "bpf/guest/records.h"
#include "bpf/lib/cgroup.bpf.h"

/*
 * What outlives a load and more than one program needs: which load is to record, and when containers were made. Each
 * object that uses a map has it in this form; the static linker makes one of them.
 */

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct guest_status);
} status_map SEC(".maps") __weak;

static __always_inline struct guest_status *guest_status(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&status_map, &zero);
}

/*
 * Beside the programs of an earlier load, which stay attached while guest-probe is gone, those of a new one are
 * attached; all look at status_map, and only the current generation records.
 */
extern const volatile __u64 generation;

static __always_inline int is_current(const struct guest_status *status) {
  return status->generation == generation;
}

/* Keeps the compiler from writing a record's sequence before the record. */
#define RECORD_IS_WHOLE() asm volatile("" ::: "memory")

/* When the containers' cgroups of one hierarchy were made: kernfs id -> CLOCK_BOOTTIME, ns. Sized before loading. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, __u64);
} mkdir_times SEC(".maps") __weak;

/* That hierarchy (WALK_*); set before loading. Ids are a hierarchy's own, and a container has the same age in all. */
extern const volatile __u32 mkdir_hierarchy;

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
