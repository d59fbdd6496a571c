/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The usual design, by process: each context switch looks up when the outgoing task began to run and adds the time to a
 * hash by pid; an exit removes the entry.
 */

#include "bench/baselines/kernel.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u32);
  __type(value, __u64);
} started SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u32);
  __type(value, struct usage);
} usages SEC(".maps");

static void account(__u32 pid, __u64 now) {
  __u64 *start = bpf_map_lookup_elem(&started, &pid);
  if (!start) return;
  struct usage *usage = bpf_map_lookup_elem(&usages, &pid);
  if (!usage) {
    struct usage first = {};
    bpf_map_update_elem(&usages, &pid, &first, BPF_NOEXIST);
    usage = bpf_map_lookup_elem(&usages, &pid);
  }
  if (usage) {
    usage->cpu_ns += now - *start;
    usage->switches++;
  }
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool preempt, struct task_struct *prev, struct task_struct *next) {
  __u64 now = bpf_ktime_get_ns();
  __u32 pid = next->pid;
  account(prev->pid, now);
  bpf_map_update_elem(&started, &pid, &now, BPF_ANY);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task) {
  __u32 pid = task->pid;
  bpf_map_delete_elem(&usages, &pid);
  bpf_map_delete_elem(&started, &pid);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
