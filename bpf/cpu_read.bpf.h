/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_CPU_READ_BPF_H
#define KATAMETER_CPU_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/percpu.bpf.h"

/* CPU time of a cgroup and all below it, ns: what cpuacct.usage shows (kernel/sched/cpuacct.c, cpuacct_charge). */
static __always_inline __u64 cpuacct_usage(__u64 css) {
  __u64 base = read_u64(css + bpf_core_field_offset(struct cpuacct, cpuusage));
  __u64 usage = percpu_sum(base);
  if (bpf_core_type_exists(struct cpuacct_usage))
    usage += percpu_sum(base + sizeof(__u64)); /* usages[CPUACCT_STAT_SYSTEM], after usages[CPUACCT_STAT_USER] */
  return usage;
}

#endif
