/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_UNIFIED_READ_BPF_H
#define KATAMETER_UNIFIED_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/percpu.bpf.h"

/*
 * CPU time in cgroup v2 (kernel/cgroup/rstat.c, cgroup_base_stat_flush):
 *
 *   of a cgroup with all below it = sum of flushed and pending over them all - sum of handed_up over those below
 *
 * A flush moves a figure from the CPUs to the cgroup and on to its parent. Everything is read in the opposite order, so
 * that a flush in between makes the sum too small, never too large.
 */

static __always_inline void read_times(__u64 base_stat, __u64 *times) {
  __u64 cputime = base_stat + bpf_core_field_offset(struct cgroup_base_stat, cputime);
  times[TIME_USAGE] = read_u64(cputime + bpf_core_field_offset(struct task_cputime, sum_exec_runtime));
  times[TIME_USER] = read_u64(cputime + bpf_core_field_offset(struct task_cputime, utime));
  times[TIME_SYSTEM] = read_u64(cputime + bpf_core_field_offset(struct task_cputime, stime));
}

/* The per-CPU part: its pointer, and where in it the two base stats lie. */
struct base_cpu {
  __u64 pointer;
  __u64 bstat;
  __u64 last_bstat;
};

static __always_inline struct base_cpu find_base_cpu(__u64 cgroup) {
  struct base_cpu found = {};
  if (bpf_core_field_exists(struct cgroup___base_cpu, rstat_base_cpu)) {
    found.pointer = read_u64(cgroup + bpf_core_field_offset(struct cgroup___base_cpu, rstat_base_cpu));
    found.bstat = bpf_core_field_offset(struct cgroup_rstat_base_cpu, bstat);
    found.last_bstat = bpf_core_field_offset(struct cgroup_rstat_base_cpu, last_bstat);
  } else {
    found.pointer = read_u64(cgroup + bpf_core_field_offset(struct cgroup, rstat_cpu));
    found.bstat = bpf_core_field_offset(struct cgroup_rstat_cpu, bstat);
    found.last_bstat = bpf_core_field_offset(struct cgroup_rstat_cpu, last_bstat);
  }
  return found;
}

static __always_inline void read_unified(__u64 cgroup, struct unified_record *record) {
  __u64 usage = 0;
  __u64 user = 0;
  __u64 system = 0;
  __u64 taken = 0;

  read_times(cgroup + bpf_core_field_offset(struct cgroup, bstat), record->flushed);
  read_times(cgroup + bpf_core_field_offset(struct cgroup, last_bstat), record->handed_up);
  struct base_cpu base = find_base_cpu(cgroup);
  for (__u32 cpu = 0; cpu < MAX_CPUS; cpu++) {
    __u64 counted[TIMES];
    __u64 flushed[TIMES];
    if (cpu >= cpus) break;
    if (!cpu_offset[cpu]) continue;
    read_times(base.pointer + cpu_offset[cpu] + base.bstat, counted);
    read_times(base.pointer + cpu_offset[cpu] + base.last_bstat, flushed);
    usage += counted[TIME_USAGE] - flushed[TIME_USAGE];
    user += counted[TIME_USER] - flushed[TIME_USER];
    system += counted[TIME_SYSTEM] - flushed[TIME_SYSTEM];
    taken += flushed[TIME_USAGE];
  }
  record->pending[TIME_USAGE] = usage;
  record->pending[TIME_USER] = user;
  record->pending[TIME_SYSTEM] = system;
  record->taken_ns = taken;
}

#endif
