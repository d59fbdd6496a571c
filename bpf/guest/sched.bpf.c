// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * note_task_end: adds what a task did since the last walk to its container's sums.
 *
 * Hook:    tp_btf/sched_process_free: the last values are there only now, for a task goes on for a moment after
 *          sched_process_exit. Its css_set is still there.
 * Rate:    once per task that ends. Only with --schedstat.
 * Costs:   2.5 us a task (bpf_stats, 6.18, JIT, 2 CPUs), before it read the four values of task I/O accounting.
 * Kernels: 5.10 and later with CONFIG_SCHED_INFO or CONFIG_TASK_XACCT, BTF of the running kernel.
 * Without: no schedstat figures, and no calls of read(2) and write(2).
 *
 * walk_sched_sums: the sums of every container.
 *
 * Hook:    iter/bpf_map_elem on sched_cgroups. Run by reading the iterator, when the host asks.
 * Rate:    once per snapshot. Only with --schedstat.
 * Costs:   0.15 us a cgroup (bpf_stats, 6.18, JIT, 2 CPUs).
 */
#include "bpf/guest/sched.bpf.h"
#include "bpf/guest/state.bpf.h"

SEC("tp_btf/sched_process_free")
int BPF_PROG(note_task_end, struct task_struct *task) {
  struct guest_status *status = guest_status();

  if (status && is_current(status)) account_task((__u64)task, 1);
  return 0;
}

SEC("iter/bpf_map_elem")
int walk_sched_sums(struct bpf_iter__bpf_map_elem___key *ctx) {
  struct seq_file *out = ctx->meta->seq;
  __u64 *id = ctx->key;
  struct sched_sums *sums = ctx->value;
  struct sched_record record = {};

  if (!id || !sums) return 0;
  record.container_id = *id;
  for (int i = 0; i < SCHED_FIGURES; i++) record.sum[i] = sums->value[i];
  bpf_seq_write(out, &record, sizeof(record));
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
