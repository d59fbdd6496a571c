/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_CPU_READ_BPF_H
#define KATAMETER_CPU_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/percpu.bpf.h"
#include "bpf/tasks_read.bpf.h"

#define TICKS(name) (ticks[bpf_core_enum_value(enum cpu_usage_stat, name) & 7])

/* By TIME_*, of one cgroup while it is read. "used": see cgroup_walk.bpf.h. */
static __u64 cpuacct_sums[TIMES] __attribute__((used));

/*
 * CPU time of a cgroup and all below it, ns: what cpuacct.usage shows (kernel/sched/cpuacct.c, cpuacct_charge), and the
 * user and system time out of which cpuacct.stat is made (cpuacct_stats_show): shown as they are, or scaled to the
 * usage since 5.17 (8c92606ab810). All values lie in the first eight places of the array, so that one read does.
 */
static __always_inline void add_cpuacct(__u64 offset, __u64 cpuusage, __u64 cpustat, __u64 unused) {
  __u64 ticks[8] = {};

  cpuacct_sums[TIME_USAGE] += read_u64(cpuusage + offset);
  if (bpf_core_type_exists(struct cpuacct_usage)) /* usages[CPUACCT_STAT_SYSTEM], after usages[CPUACCT_STAT_USER] */
    cpuacct_sums[TIME_USAGE] += read_u64(cpuusage + offset + sizeof(__u64));
  bpf_probe_read_kernel(ticks, sizeof(ticks), (void *)(cpustat + offset));
  cpuacct_sums[TIME_USER] += TICKS(CPUTIME_USER) + TICKS(CPUTIME_NICE);
  cpuacct_sums[TIME_SYSTEM] += TICKS(CPUTIME_SYSTEM) + TICKS(CPUTIME_IRQ) + TICKS(CPUTIME_SOFTIRQ);
}

DEFINE_CPU_LOOP(cpuacct, add_cpuacct)

static __always_inline void read_cpuacct(__u64 css, struct cpu_record *record) {
  __u64 usage = read_u64(css + bpf_core_field_offset(struct cpuacct, cpuusage));
  __u64 stat = read_u64(css + bpf_core_field_offset(struct cpuacct, cpustat)) +
               bpf_core_field_offset(struct kernel_cpustat, cpustat);

  cpuacct_sums[TIME_USAGE] = cpuacct_sums[TIME_USER] = cpuacct_sums[TIME_SYSTEM] = 0;
  cpuacct_on_cpus(usage, stat, 0);
  record->usage_ns = cpuacct_sums[TIME_USAGE];
  record->user_ns = cpuacct_sums[TIME_USER];
  record->system_ns = cpuacct_sums[TIME_SYSTEM];
}

/* What cputime_adjust() gave out last for a cgroup; 0 and 0 where the kernel does not scale cpuacct.stat. */
static __always_inline void shown_times(__u64 cgroup, struct cpu_record *record) {
  __u64 shown = cgroup + bpf_core_field_offset(struct cgroup, prev_cputime);
  record->shown_user_ns = read_u64(shown + bpf_core_field_offset(struct prev_cputime, utime));
  record->shown_system_ns = read_u64(shown + bpf_core_field_offset(struct prev_cputime, stime));
}

/*
 * Adds what cpuacct, cpu and pids keep of a cgroup to its record, and to `kinds` which of them there are: controllers of
 * one hierarchy share its cgroups.
 */
static __always_inline void read_cpu(__u64 cgroup, struct cpu_record *record) {
  __u64 cpuacct = cpuacct_index() < 0 ? 0 : cgroup_css(cgroup, cpuacct_index());

  if (cpuacct) {
    record->kinds |= CPU_TIMES;
    read_cpuacct(cpuacct - bpf_core_field_offset(struct cpuacct, css), record);
    shown_times(cgroup, record);
  }
  if (read_bandwidth(cgroup, &record->bandwidth)) record->kinds |= CPU_BANDWIDTH;
  if (read_tasks(cgroup, &record->tasks)) record->kinds |= CPU_TASKS;
}

#endif
