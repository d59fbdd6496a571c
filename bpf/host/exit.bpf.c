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
 * note_victim: raw_tp/mark_victim, once per OOM kill on the machine. Without: a VMM that the host killed for its
 *            memory looks like one that ended.
 * Kernels:   5.10 and later with BTF.
 */
#include "bpf/host/process.bpf.h"
#include "bpf/lib/task.bpf.h"

#define LARGEST_PID 4194304 /* include/linux/threads.h, PID_MAX_LIMIT: no address is that low */

static __always_inline int kind_of(struct task_struct *task) {
  char comm[16] = {};
  bpf_probe_read_kernel(comm, sizeof(comm), task->comm);
  return thread_kind(comm, guest_time((__u64)task));
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(note_exit, struct task_struct *task) {
  struct process_record *process = process_of(task);
  __u64 cpu = task->se.sum_exec_runtime;
  int kind;

  if (!process) return 0;
  kind = kind_of(task);
  if (kind != THREAD_OTHER) {
    __sync_fetch_and_add(kind == THREAD_VCPU ? &process->exit_vcpu_ns : &process->exit_kernel_ns, cpu);
    __sync_fetch_and_add(&process->classified_exits, 1);
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
  int kind;

  if (!process) return 0;
  if (bpf_core_field_exists(task->sched_info)) delay = task->sched_info.run_delay;
  kind = kind_of(task);
  if (kind == THREAD_OTHER) {
    __sync_fetch_and_add(&process->dead_other_delay_ns, delay);
  } else {
    int is_vcpu = kind == THREAD_VCPU;
    __sync_fetch_and_add(is_vcpu ? &process->dead_vcpu_ns : &process->dead_kernel_ns, task->se.sum_exec_runtime);
    __sync_fetch_and_add(is_vcpu ? &process->dead_vcpu_delay_ns : &process->dead_kernel_delay_ns, delay);
    __sync_fetch_and_add(&process->classified_frees, 1); /* after the sums: who sees it finds them */
  }
  if (task->pid == task->tgid) { /* the leader is let go last, so the sums have all threads */
    read_dead_usage((__u64)task->signal, &process->final_usage);
    process->final_cpu_ns = task->signal->sum_sched_runtime;
    process->ended = 1;
  }
  return 0;
}

/* The tracepoint hands over the victim or, before 5.10.235 and 6.9 (72ba14deb40a), its process id. */
SEC("raw_tp/mark_victim")
int note_victim(struct bpf_raw_tracepoint_args *context) {
  __u64 victim = context->args[0];
  struct process_record *process = process_at(victim > LARGEST_PID ? victim : task_of_pid(victim));
  struct host_status *status = host_status();

  if (!process || !status) return 0;
  __sync_fetch_and_add(&process->oom_kills, 1);
  __sync_fetch_and_add(&status->oom_kills, 1);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
