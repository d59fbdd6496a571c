// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What dead threads and processes have used, to the nanosecond.
 *
 * note_free: tp_btf/sched_process_free, once per dead thread on the machine: 0.45 us. It comes a grace period after the
 *            thread was taken out of its process: only then are its figures final, at sched_process_exit up to a tick
 *            is still missing. Without: that is missing of each process, and the run-queue wait of dead threads is
 *            lost altogether (the kernel keeps no sum of it).
 * note_exit: tp_btf/sched_process_exit, once per dying thread on the machine: 0.4 us. What is known before note_free,
 *            and instead of it: a kernel may pass over a program in the soft interrupt that note_free runs in.
 *            Without: a dead vCPU thread's time is in neither role, or in vmm, until it is freed.
 * Kernels:   5.10 and later with BTF.
 */
#include "bpf/host_process.bpf.h"

static __always_inline int is_vcpu_task(struct task_struct *task) {
  char comm[16];
  return !bpf_probe_read_kernel(comm, sizeof(comm), task->comm) && is_vcpu(comm);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(note_exit, struct task_struct *task) {
  struct process_record *process = process_of(task);
  __u64 cpu = task->se.sum_exec_runtime;

  if (!process) return 0;
  if (is_vcpu_task(task)) {
    __sync_fetch_and_add(&process->exit_vcpu_ns, cpu);
    __sync_fetch_and_add(&process->vcpu_exits, 1);
  }
  if (task->signal->live.counter == 0) {
    if (task->pid != task->tgid) /* a leader that went before is still there */
      cpu += task->group_leader->se.sum_exec_runtime;
    process->exit_cpu_ns = task->signal->sum_sched_runtime + cpu;
  }
  return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(note_free, struct task_struct *task) {
  struct process_record *process = process_of(task);
  __u64 delay = 0;

  if (!process) return 0;
  if (bpf_core_field_exists(task->sched_info)) delay = task->sched_info.run_delay;
  if (is_vcpu_task(task)) {
    __sync_fetch_and_add(&process->dead_vcpu_ns, task->se.sum_exec_runtime);
    __sync_fetch_and_add(&process->dead_vcpu_delay_ns, delay);
    __sync_fetch_and_add(&process->vcpu_frees, 1); /* after the sums: who sees it finds them */
  } else {
    __sync_fetch_and_add(&process->dead_other_delay_ns, delay);
  }
  if (task->pid == task->tgid) { /* the leader is let go last, so the sum has all threads */
    process->final_cpu_ns = task->signal->sum_sched_runtime;
    process->ended = 1;
  }
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
