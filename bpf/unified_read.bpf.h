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

/* A cgroup of cgroup v2 while it is read. */
struct unified_part {
  __u64 flushed[TIMES];   /* cgroup.bstat: of the subtree */
  __u64 handed_up[TIMES]; /* cgroup.last_bstat: the part of it that the parent has got */
  __u64 pending[TIMES];   /* of this cgroup alone, not flushed yet */
  __u64 taken_ns;         /* usage that flushes have taken from the CPUs so far: rises with each */
};

/* "used": see cgroup_walk.bpf.h. */
static struct unified_part unified __attribute__((used));

static __always_inline void add_base_cpu(__u64 offset, __u64 pointer, __u64 bstat, __u64 last_bstat) {
  __u64 counted[TIMES];
  __u64 flushed[TIMES];

  read_times(pointer + offset + bstat, counted);
  read_times(pointer + offset + last_bstat, flushed);
  for (int i = 0; i < TIMES; i++) unified.pending[i] += counted[i] - flushed[i];
  unified.taken_ns += flushed[TIME_USAGE];
}

DEFINE_CPU_LOOP(base_cpu, add_base_cpu)

static __always_inline void read_unified(__u64 cgroup) {
  struct base_cpu base = find_base_cpu(cgroup);

  read_times(cgroup + bpf_core_field_offset(struct cgroup, bstat), unified.flushed);
  read_times(cgroup + bpf_core_field_offset(struct cgroup, last_bstat), unified.handed_up);
  for (int i = 0; i < TIMES; i++) unified.pending[i] = 0;
  unified.taken_ns = 0;
  base_cpu_on_cpus(base.pointer, base.bstat, base.last_bstat);
}

#endif
