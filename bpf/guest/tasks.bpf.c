// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * walk_tasks: how many processes each container has and what its threads do, summed up; the threads of the guest system's
 * owners one by one; at the end what each virtiofs was asked, and has not answered, what the pod's volumes in memory hold
 * (guest/mounts.bpf.h), and what the guest's network has counted (guest/network.bpf.h).
 *
 * Hook:    iter/task. Run by reading the iterator, when the host asks; the records are what is read.
 * Rate:    once per snapshot.
 * Costs:   240 instructions a task of a container, 380 when each process had a record (bpf_stats, which takes some 80 of
 *          them; 5.10, JIT, a clock that counts instructions, 10,000 processes in 10 containers, none of them beside
 *          another one of its container). Going through the tasks takes the kernel 400 more. When each read was a call it
 *          was 1,370. With --schedstat 0.6 us a task more (bpf_stats, 6.18, JIT, 2 CPUs, 145 tasks).
 *          With --open-files 290 instructions more for each open file of a container, 380 for a socket (5.10, JIT, the same
 *          clock, processes with 400 of them).
 * Kernels: 5.10 and later.
 * Without: the number of processes, the states of threads, the start of containers that were there before guest-probe,
 *          and by whom the guest system's CPU time was used are not known, nor which requests to virtiofs wait, what the
 *          pod's volumes in memory hold, and what TCP and UDP have counted.
 *
 * cgroup.procs goes through lists of tasks that a spinlock guards, which BPF cannot take; a task that moves to another
 * list in the meantime would lead a walk astray. The table of process ids that this iterator goes through is read under
 * RCU by the kernel itself, which holds a reference to the task for us. And the verifier knows what it hands over: fields
 * are read by loads, of what they point at, too, where from a number each would be a call (read.bpf.h).
 */
#include "bpf/guest/files.bpf.h"
#include "bpf/guest/mounts.bpf.h"
#include "bpf/guest/network.bpf.h"
#include "bpf/guest/records.h"
#include "bpf/guest/sched.bpf.h"
#include "bpf/lib/container.bpf.h"
#include "bpf/lib/task.bpf.h"

/* Set before loading: the hierarchy in which tasks are looked up (WALK_*), and our own process. */
const volatile __u32 tasks_hierarchy = WALK_CPUACCT;
const volatile __u32 own_tgid = 0;

/* Whether --schedstat was given. */
const volatile __u32 sums_sched = 0;

/* Whether --open-files was given. */
const volatile __u32 counts_files = 0;

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
static __always_inline __u64 place_task(struct task_struct *task, __u64 *cgroup_id) {
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
  *cgroup_id = node->id;
  const __u64 container = cached_container(*cgroup_id, (__u64)node->name);
  return container == ~0ULL ? task_container((__u64)task) : container;
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

/*
 * The containers' tasks are summed up here, each container's at the place that its id selects. Where another container's
 * sums are there, they are written and make room; so a container may have several records. "used": see lib/walk.bpf.h.
 */
enum {
  TASK_PLACES = 256, /* as many as there are values of a byte */
};

struct summed_tasks {
  __u64 session; /* the reading that they are of; numbers begin anew with each boot */
  struct container_tasks sums;
};

static struct summed_tasks summed[TASK_PLACES] __attribute__((used));
static __u8 summed_places[TASK_PLACES] __attribute__((used)); /* in this reading */
static __u32 summed_count __attribute__((used));
static __u64 summed_session __attribute__((used));

_Static_assert(sizeof(struct container_tasks) == sizeof(struct task_record), "one is read as the other");
_Static_assert(__builtin_offsetof(struct container_tasks, flags) == __builtin_offsetof(struct task_record, flags),
               "and distinguished by its flags");

/*
 * Adds a task to its container's sums. If the buffer is full, the kernel runs the program for this task again: nothing is
 * counted before all is written.
 */
static __always_inline void sum_task(struct seq_file *out, __u64 session, struct task_struct *task, __u64 container) {
  const __u32 place = container * 0x9e3779b97f4a7c15ULL >> 56;
  struct summed_tasks *at = &summed[place];
  struct container_tasks *sums = &at->sums;

  if (at->session != session || sums->container_id != container) {
    if (at->session != session)
      summed_places[summed_count++ & (TASK_PLACES - 1)] = place;
    else if (bpf_seq_write(out, sums, sizeof(*sums)))
      return;
    at->session = session;
    *sums = (struct container_tasks){.container_id = container, .flags = TASK_CONTAINER};
  }
  if (task->group_leader == task && is_process(task, task->signal)) {
    if (!sums->processes || task->start_boottime < sums->first_start_ns) {
      sums->first_start_ns = task->start_boottime;
      sums->max_open_files = ((struct signal_struct___limits *)task->signal)->rlim[RLIMIT_NOFILE].rlim_cur;
    }
    sums->processes++;
    if (counts_files) add_files((__u64)task, sums);
  }
  if (((struct task_struct___life *)task)->exit_state) return;
  const __u32 state = thread_state(task);
  if (state < THREAD_STATES) sums->threads[state]++;
}

/* Writes all that was summed up. If the buffer is full, the kernel runs the program for the end again. */
static __always_inline int write_sums(struct seq_file *out) {
  for (__u32 i = 0; i < TASK_PLACES; i++) {
    if (i >= summed_count) break;
    const struct container_tasks *sums = &summed[summed_places[i]].sums;
    if (bpf_seq_write(out, sums, sizeof(*sums))) return -1;
  }
  return 0;
}

/* Writes what a task of the guest system, or of guest-probe, is. */
static __always_inline int write_task(struct seq_file *out, struct task_struct *task, __u64 cgroup_id, __u64 container,
                                      __u32 flags) {
  struct task_record record = {.cgroup_id = cgroup_id, .container_id = container, .flags = flags};

  record.pid = task->pid;
  record.tgid = task->tgid;
  record.start_boottime_ns = task->start_boottime;
  /* Before the threads are: one that dies in between is then missing for once, never counted twice. */
  if (task->group_leader == task) {
    record.flags |= TASK_LEADER;
    record.cpu_ns = task->signal->sum_sched_runtime;
    if (is_process(task, task->signal)) record.flags |= TASK_PROCESS;
  }
  record.cpu_ns += task->se.sum_exec_runtime;
  return bpf_seq_write(out, &record, sizeof(record));
}

static __always_inline int end_of_tasks(struct seq_file *out) {
  const struct task_record end = {.flags = TASK_END};

  if (write_sums(out)) return 0;
  walk_mounts();
  count_network();
  bpf_seq_write(out, &end, sizeof(end));
  return 0;
}

SEC("iter/task")
int walk_tasks(struct bpf_iter__task___meta *ctx) {
  const __u64 session = ctx->meta->session_id;
  struct seq_file *out = ctx->meta->seq;
  struct task_struct *task = ctx->task;
  __u64 cgroup_id;
  __u32 flags = 0;

  if (summed_session != session) {
    summed_session = session;
    summed_count = 0;
  }
  if (!task) return end_of_tasks(out);
  if (sums_sched) account_living((__u64)task);
  const __u64 container = place_task(task, &cgroup_id);
  const int is_own = (__u32)task->tgid == own_tgid;
  if (!container && (task->flags & PF_KTHREAD))
    flags = TASK_KERNEL;
  else if (!container && !is_own && is_agent((__u64)task->group_leader, task->tgid))
    flags = TASK_AGENT;
  if ((flags || is_own) && write_task(out, task, cgroup_id, container, flags)) return 0;
  if (container) sum_task(out, session, task, container);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
