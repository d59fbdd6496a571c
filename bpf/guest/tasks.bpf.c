// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * walk_tasks: every process, the threads of the guest system, which container each is in, and what the threads of
 * containers do; at the end what each virtiofs was asked, and has not answered (guest/virtiofs_mounts.bpf.h).
 *
 * Hook:    iter/task. Run by reading the iterator, when the host asks; the records are what is read.
 * Rate:    once per snapshot.
 * Costs:   200 instructions a task, 1,370 when each read was a call (bpf_stats, 5.10, JIT, a clock that counts
 *          instructions, 54 tasks). A further thread of a container, which has no record, takes 0.08 us, one of the guest
 *          system 0.07 (6.18, JIT, 2 CPUs, 1,000 threads). With --schedstat 0.6 us a task more (bpf_stats, 6.18, JIT,
 *          2 CPUs, 145 tasks).
 * Kernels: 5.10 and later.
 * Without: the number of processes, the states of threads, the start of containers that were there before guest-probe,
 *          and by whom the guest system's CPU time was used are not known, nor which requests to virtiofs wait.
 *
 * cgroup.procs goes through lists of tasks that a spinlock guards, which BPF cannot take; a task that moves to another
 * list in the meantime would lead a walk astray. The table of process ids that this iterator goes through is read under
 * RCU by the kernel itself, which holds a reference to the task for us. And the verifier knows what it hands over: fields
 * are read by loads, of what they point at, too, where from a number each would be a call (read.bpf.h).
 */
#include "bpf/guest/records.h"
#include "bpf/guest/sched.bpf.h"
#include "bpf/guest/virtiofs_mounts.bpf.h"
#include "bpf/lib/container.bpf.h"
#include "bpf/lib/task.bpf.h"

/* Set before loading: the hierarchy in which tasks are looked up (WALK_*), and our own process. */
const volatile __u32 tasks_hierarchy = WALK_CPUACCT;
const volatile __u32 own_tgid = 0;

/* Whether --schedstat was given. */
const volatile __u32 sums_sched = 0;

#define RLIMIT_NOFILE 7 /* include/uapi/asm-generic/resource.h; on all machines that Kata runs on */

static __always_inline int is_named(const char *comm, const char *name, int bytes) {
  for (int i = 0; i < bytes; i++)
    if (comm[i] != name[i]) return 0;
  return 1;
}

/* The agent calls itself so; where it is the guest's init, it was started as /sbin/init. */
static __always_inline int is_agent(__u64 leader, __u32 tgid) {
  char comm[COMM_BYTES] = {};

  bpf_probe_read_kernel(comm, sizeof(comm), (void *)FIELD(struct task_struct, leader, comm));
  return is_named(comm, "kata-agent", sizeof("kata-agent")) || (tgid == 1 && is_named(comm, "init", sizeof("init")));
}

/* A leader that waits to be reaped is not listed in cgroup.procs unless one of its threads still lives. */
static __always_inline int is_process(struct task_struct *task, struct signal_struct *signal) {
  return !((struct task_struct___life *)task)->exit_state || signal->live.counter;
}

/* As task_cgroup(), and task_container(). */
static __always_inline void place_task(struct task_struct *task, struct task_record *record) {
  struct css_set *css_set = task->cgroups;
  struct cgroup *cgroup;

  if (tasks_hierarchy == WALK_UNIFIED) {
    cgroup = css_set->dfl_cgrp;
  } else {
    /* The index is the kernel's; to the verifier it is a constant. */
    const __u64 offset = bpf_core_field_offset(struct css_set, subsys);
    const __u64 index = hierarchy_index(tasks_hierarchy);
    struct cgroup_subsys_state **css = (void *)css_set + offset + index * sizeof(void *);
    cgroup = (*css)->cgroup;
  }
  struct kernfs_node *node = cgroup->kn;
  record->cgroup_id = node->id;
  record->container_id = cached_container(record->cgroup_id, (__u64)node->name);
  if (record->container_id == ~0ULL) record->container_id = task_container((__u64)task);
}

/* THREAD_*, as /proc/PID/stat divides them (fs/proc/array.c), and what waits for block I/O apart. */
static __always_inline __u32 thread_state(struct task_struct *task) {
  const __u64 state = bpf_core_field_exists(struct task_struct___long_state, state)
                          ? ((struct task_struct___long_state *)task)->state
                          : ((struct task_struct___state *)task)->__state;

  if (state & (TASK_IS_STOPPED | TASK_IS_TRACED)) return THREAD_STOPPED;
  if (state & TASK_IS_NO_LOAD) return THREAD_SLEEPING;
  if (state & (TASK_IS_UNINTERRUPTIBLE | TASK_WAITS_FOR_LOCK | TASK_IS_FROZEN))
    return BPF_CORE_READ_BITFIELD_PROBED((struct task_struct___state *)task, in_iowait) ? THREAD_IO_WAITING
                                                                                        : THREAD_UNINTERRUPTIBLE;
  return state & (TASK_IS_INTERRUPTIBLE | TASK_IS_PARKED) ? THREAD_SLEEPING : THREAD_RUNNING;
}

/* As many of a container's threads as were met one after the other. "used": see lib/walk.bpf.h. */
static struct threads_record threads_run __attribute__((used));
static __u64 threads_session
    __attribute__((used)); /* the reading that they are of; numbers begin anew with each boot */

_Static_assert(sizeof(struct threads_record) == sizeof(struct task_record), "one is read as the other");
_Static_assert(__builtin_offsetof(struct threads_record, flags) == __builtin_offsetof(struct task_record, flags),
               "and distinguished by its flags");

static __always_inline void begin_threads(__u64 session, __u64 container_id) {
  threads_session = session;
  threads_run.container_id = container_id;
  threads_run.flags = TASK_THREADS;
  for (int i = 0; i < THREAD_STATES; i++) threads_run.count[i] = 0;
}

/* Writes the threads counted so far, if any. If the buffer is full, the kernel runs the program for this task again. */
static __always_inline int write_threads(struct seq_file *out) {
  return threads_run.container_id ? bpf_seq_write(out, &threads_run, sizeof(threads_run)) : 0;
}

static __always_inline void describe_task(struct task_struct *task, struct task_record *record) {
  struct task_struct *leader = task->group_leader;
  struct signal_struct *signal = task->signal;

  record->pid = task->pid;
  record->tgid = task->tgid;
  if (task->flags & PF_KTHREAD)
    record->flags |= TASK_KERNEL;
  else if (is_agent((__u64)leader, record->tgid))
    record->flags |= TASK_AGENT;
  /* Before the threads are: one that dies in between is then missing for once, never counted twice. */
  if (leader == task) {
    record->flags |= TASK_LEADER;
    record->cpu_ns = signal->sum_sched_runtime;
    record->max_open_files = ((struct signal_struct___limits *)signal)->rlim[RLIMIT_NOFILE].rlim_cur;
    if (is_process(task, signal)) record->flags |= TASK_PROCESS;
  }
}

SEC("iter/task")
int walk_tasks(struct bpf_iter__task___meta *ctx) {
  struct seq_file *out = ctx->meta->seq;
  struct task_struct *task = ctx->task;
  struct task_record record = {};

  if (threads_session != ctx->meta->session_id) begin_threads(ctx->meta->session_id, 0);
  if (!task) {
    if (write_threads(out)) return 0;
    count_virtiofs_mounts();
    record.flags = TASK_END;
    bpf_seq_write(out, &record, sizeof(record));
    return 0;
  }
  if (sums_sched) account_living((__u64)task);
  describe_task(task, &record);
  place_task(task, &record);
  const int has_ended = ((struct task_struct___life *)task)->exit_state != 0;
  if (record.flags || record.tgid == own_tgid) {
    record.cpu_ns += task->se.sum_exec_runtime;
    record.start_boottime_ns = task->start_boottime;
    if (record.container_id && !has_ended) record.flags |= (thread_state(task) + 1) << TASK_STATE_SHIFT;
    bpf_seq_write(out, &record, sizeof(record));
    return 0;
  }
  if (!record.container_id || has_ended) return 0;
  if (threads_run.container_id != record.container_id) {
    if (write_threads(out)) return 0;
    begin_threads(threads_session, record.container_id);
  }
  const __u32 state = thread_state(task);
  if (state < THREAD_STATES) threads_run.count[state]++;
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
