/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_CPU_READ_BPF_H
#define KATAMETER_CPU_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/percpu.bpf.h"
#include "bpf/tasks_read.bpf.h"

/* CPU time of a cgroup and all below it, ns: what cpuacct.usage shows (kernel/sched/cpuacct.c, cpuacct_charge). */
static __always_inline __u64 cpuacct_usage(__u64 css) {
  __u64 base = read_u64(css + bpf_core_field_offset(struct cpuacct, cpuusage));
  __u64 usage = percpu_sum(base);
  if (bpf_core_type_exists(struct cpuacct_usage))
    usage += percpu_sum(base + sizeof(__u64)); /* usages[CPUACCT_STAT_SYSTEM], after usages[CPUACCT_STAT_USER] */
  return usage;
}

#define TICKS(name) (ticks[bpf_core_enum_value(enum cpu_usage_stat, name) & 7])

/*
 * User and system time out of which cpuacct.stat is made (cpuacct_stats_show): shown as they are, or scaled to the
 * usage since 5.17 (8c92606ab810). All values lie in the first eight places of the array, so that one read does.
 */
static __always_inline void cpuacct_times(__u64 css, struct cpu_record *record) {
  __u64 base = read_u64(css + bpf_core_field_offset(struct cpuacct, cpustat)) +
               bpf_core_field_offset(struct kernel_cpustat, cpustat);
  __u64 user = 0;
  __u64 system = 0;
  for (__u32 cpu = 0; cpu < MAX_CPUS; cpu++) {
    __u64 ticks[8] = {};
    if (cpu >= cpus) break;
    if (!cpu_offset[cpu]) continue;
    bpf_probe_read_kernel(ticks, sizeof(ticks), (void *)(base + cpu_offset[cpu]));
    user += TICKS(CPUTIME_USER) + TICKS(CPUTIME_NICE);
    system += TICKS(CPUTIME_SYSTEM) + TICKS(CPUTIME_IRQ) + TICKS(CPUTIME_SOFTIRQ);
  }
  record->user_ns = user;
  record->system_ns = system;
}

/* What cputime_adjust() gave out last for a cgroup; 0 and 0 where the kernel does not scale cpuacct.stat. */
static __always_inline void shown_times(__u64 cgroup, struct cpu_record *record) {
  __u64 shown = cgroup + bpf_core_field_offset(struct cgroup, prev_cputime);
  record->shown_user_ns = read_u64(shown + bpf_core_field_offset(struct prev_cputime, utime));
  record->shown_system_ns = read_u64(shown + bpf_core_field_offset(struct prev_cputime, stime));
}

/* All that cpuacct, cpu and pids keep of a cgroup: controllers of one hierarchy share its cgroups. */
static __always_inline void read_cpu(__u64 cgroup, struct cpu_record *record) {
  __u64 cpuacct = cpuacct_index() < 0 ? 0 : cgroup_css(cgroup, cpuacct_index());

  record->kinds = 0;
  if (cpuacct) {
    cpuacct -= bpf_core_field_offset(struct cpuacct, css);
    record->kinds |= CPU_TIMES;
    record->usage_ns = cpuacct_usage(cpuacct);
    cpuacct_times(cpuacct, record);
    shown_times(cgroup, record);
  }
  if (read_bandwidth(cgroup, &record->bandwidth)) record->kinds |= CPU_BANDWIDTH;
  if (read_tasks(cgroup, &record->tasks)) record->kinds |= CPU_TASKS;
}

#endif
