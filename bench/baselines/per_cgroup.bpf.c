/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The usual design, by container: each context switch finds the cgroup of the outgoing task and adds the time that it ran
 * to a hash by cgroup id. When it began is kept per CPU, the cheapest way there is.
 */

#include "bench/baselines/kernel.h"

/* cpuacct_cgrp_id of enum cgroup_subsys_id, as CO-RE finds it in the running kernel. */
enum cgroup_subsys_id {
  cpuacct_cgrp_id = 2,
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} started SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, struct usage);
} usages SEC(".maps");

static struct usage *usage_of(__u64 id) {
  struct usage *usage = bpf_map_lookup_elem(&usages, &id);
  if (usage) return usage;
  struct usage first = {};
  bpf_map_update_elem(&usages, &id, &first, BPF_NOEXIST);
  return bpf_map_lookup_elem(&usages, &id);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool preempt, struct task_struct *prev, struct task_struct *next) {
  const int subsystem = bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id);
  __u32 zero = 0;
  __u64 now = bpf_ktime_get_ns();
  __u64 *start = bpf_map_lookup_elem(&started, &zero);
  if (!start) return 0;
  struct cgroup_subsys_state *css = NULL;
  struct css_set *set = prev->cgroups;
  bpf_core_read(&css, sizeof(css), &set->subsys[subsystem]);
  struct usage *usage = usage_of(BPF_CORE_READ(css, cgroup, kn, id));
  if (usage && *start) {
    usage->cpu_ns += now - *start;
    usage->switches++;
  }
  *start = now;
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
