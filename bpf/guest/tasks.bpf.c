// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * walk_tasks: how many processes each container has and what its threads do, summed up; the threads of the guest system's
 * owners one by one; at the end what each virtiofs was asked, and has not answered (guest/mounts.bpf.h), what the pod's
 * volumes hold (guest/volumes.bpf.h), and what the guest's network has counted (guest/network.bpf.h).
 *
 * Hook:    iter/task. Run by reading the iterator, when the host asks; the records are what is read.
 * Rate:    once per snapshot.
 * Costs:   260 instructions a task of a container, 380 when each process had a record (bpf_stats, which takes some 80 of
 *          them; 5.10, JIT, a clock that counts instructions, 10,000 processes in 10 containers, none of them beside
 *          another one of its container). Going through the tasks takes the kernel 400 more. When each read was a call it
 *          was 1,370. Where the program goes through the list of tasks itself, 260 are all that a task costs (6.18, JIT, the
 *          same clock, 2,000 processes). With --schedstat 0.6 us a task more (bpf_stats, 6.18, JIT, 2 CPUs, 145 tasks).
 *          With --open-files 290 instructions more for each open file of a container, 380 for a socket (5.10, JIT, the same
 *          clock, processes with 400 of them).
 * Kernels: 5.10 and later.
 * Without: the number of processes, the states of threads, the start of containers that were there before guest-probe,
 *          and by whom the guest system's CPU time was used are not known, nor which requests to virtiofs wait, what the
 *          pod's volumes hold, and what TCP and UDP have counted.
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

/* The agent calls itself so; where it is the guest's init, it was started as /sbin/init. With the 0 at the end. */
static __always_inline int is_agent(__u64 leader, __u32 tgid) {
  const __u64 name = FIELD(struct task_struct, leader, comm);

  if (is_text(name, "kata-ag", 7) && is_text(name + 7, "ent", sizeof("ent"))) return 1;
  return tgid == 1 && is_text(name, "init", sizeof("init"));
}

/* What is read of each task, by loads; the rest is read from the address, where it is wanted. */
struct visited_task {
  __u64 task;   /* address */
  __u64 leader; /* of its thread group; address */
  __u64 signal; /* address */
  __u64 cgroup_id;
  __u64 cgroup_name; /* address */
  __u64 start_boottime_ns;
  __u64 dead_threads_cpu_ns; /* of its thread group */
  __u64 cpu_ns;
  __u64 state;
  __u32 pid;
  __u32 tgid;
  __u32 flags;
  __u32 exit_state;
};

static __always_inline void read_task(struct task_struct *task, struct visited_task *at) {
  struct signal_struct *signal = task->signal;
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
  at->cgroup_id = node->id;
  at->cgroup_name = (__u64)node->name;
  at->task = (__u64)task;
  at->leader = (__u64)task->group_leader;
  at->signal = (__u64)signal;
  at->start_boottime_ns = task->start_boottime;
  /* Before the threads are: one that dies in between is then missing for once, never counted twice. */
  at->dead_threads_cpu_ns = signal->sum_sched_runtime;
  at->cpu_ns = task->se.sum_exec_runtime;
  at->state = bpf_core_field_exists(struct task_struct___long_state, state)
                  ? ((struct task_struct___long_state *)task)->state
                  : ((struct task_struct___state *)task)->__state;
  at->pid = task->pid;
  at->tgid = task->tgid;
  at->flags = task->flags;
  at->exit_state = ((struct task_struct___life *)task)->exit_state;
}

/* A leader that waits to be reaped is not listed in cgroup.procs unless one of its threads still lives. */
static __always_inline int is_process(const struct visited_task *at) {
  if (at->task != at->leader) return 0;
  return !at->exit_state || read_u32(FIELD(struct signal_struct, at->signal, live));
}

static __always_inline __u64 open_files_limit(const struct visited_task *at) {
  return KREAD(struct signal_struct___limits, at->signal, rlim[RLIMIT_NOFILE].rlim_cur);
}

/* As task_container(). */
static __always_inline __u64 find_place(const struct visited_task *at) {
  const __u64 container = cached_container(at->cgroup_id, at->cgroup_name);
  return container == ~0ULL ? task_container(at->task) : container;
}

/* THREAD_*, as /proc/PID/stat divides them (fs/proc/array.c), and what waits for block I/O apart. */
static __always_inline __u32 thread_state(const struct visited_task *at) {
  const __u64 state = at->state;

  if (state & (TASK_IS_STOPPED | TASK_IS_TRACED)) return THREAD_STOPPED;
  if (state & TASK_IS_NO_LOAD) return THREAD_SLEEPING;
  if (state & (TASK_IS_UNINTERRUPTIBLE | TASK_WAITS_FOR_LOCK | TASK_IS_FROZEN))
    return BPF_CORE_READ_BITFIELD_PROBED((struct task_struct___state *)at->task, in_iowait) ? THREAD_IO_WAITING
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
  __u64 pass; /* the one that they are of; numbers begin anew with each boot */
  struct container_tasks sums;
};

static struct summed_tasks summed[TASK_PLACES] __attribute__((used));
static __u8 summed_places[TASK_PLACES] __attribute__((used)); /* in this pass */
static __u32 summed_count __attribute__((used));
static __u64 summed_pass __attribute__((used));

_Static_assert(sizeof(struct container_tasks) == sizeof(struct task_record), "one is read as the other");
_Static_assert(__builtin_offsetof(struct container_tasks, flags) == __builtin_offsetof(struct task_record, flags),
               "and distinguished by its flags");

static __always_inline struct summed_tasks *place_of(__u64 container) {
  return &summed[container * 0x9e3779b97f4a7c15ULL >> 56];
}

/* Whether the sums of another container have to be written before those of this one can begin. */
static __always_inline int is_taken(const struct summed_tasks *place, __u64 pass, __u64 container) {
  return place->pass == pass && place->sums.container_id != container;
}

/* Adds a task to its container's sums, in a place that is not taken by another's, or no longer. */
static __always_inline void sum_task(struct summed_tasks *place, const struct visited_task *at, __u64 pass,
                                     __u64 container) {
  struct container_tasks *sums = &place->sums;

  if (place->pass != pass || sums->container_id != container) {
    if (place->pass != pass) summed_places[summed_count++ & (TASK_PLACES - 1)] = place - summed;
    place->pass = pass;
    *sums = (struct container_tasks){.container_id = container, .flags = TASK_CONTAINER};
  }
  if (is_process(at)) {
    if (!sums->processes || at->start_boottime_ns < sums->first_start_ns) {
      sums->first_start_ns = at->start_boottime_ns;
      sums->max_open_files = open_files_limit(at);
    }
    sums->processes++;
    if (counts_files) add_files(at->task, sums);
  }
  if (at->exit_state) return;
  const __u32 state = thread_state(at);
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

/* What a task of the guest system's owners, or of guest-probe, is; 0: it is none of these. */
static __always_inline int describe_task(const struct visited_task *at, __u64 container, struct task_record *record) {
  const int is_own = at->tgid == own_tgid;
  __u32 flags = 0;

  if (!container && (at->flags & PF_KTHREAD))
    flags = TASK_KERNEL;
  else if (!container && !is_own && is_agent(at->leader, at->tgid))
    flags = TASK_AGENT;
  if (!flags && !is_own) return 0;
  *record = (struct task_record){.cgroup_id = at->cgroup_id,
                                 .container_id = container,
                                 .start_boottime_ns = at->start_boottime_ns,
                                 .cpu_ns = at->cpu_ns,
                                 .pid = at->pid,
                                 .tgid = at->tgid};
  if (at->task == at->leader) {
    flags |= TASK_LEADER;
    record->cpu_ns += at->dead_threads_cpu_ns;
    if (is_process(at)) flags |= TASK_PROCESS;
  }
  record->flags = flags;
  return 1;
}

/* The task that is visited, and what is to be written of it. Not on the stack, which is small. */
static struct visited_task visited __attribute__((used));
static struct task_record visited_record __attribute__((used));

static __always_inline int end_of_tasks(struct seq_file *out) {
  if (write_sums(out)) return -1;
  walk_mounts();
  count_network();
  visited_record = (struct task_record){.flags = TASK_END};
  return bpf_seq_write(out, &visited_record, sizeof(visited_record));
}

static __always_inline void begin_pass(__u64 pass) {
  if (summed_pass == pass) return;
  summed_pass = pass;
  summed_count = 0;
}

/* A function of its own: its stack is not needed any more when others are called. */
__noinline int account_visited(void) {
  account_living(visited.task);
  return 0;
}

/* If the buffer is full, the kernel runs the program for this task again: nothing is counted before all is written. */
static __always_inline void visit_task(struct seq_file *out, __u64 pass, struct task_struct *task) {
  read_task(task, &visited);
  if (sums_sched) account_visited();
  const __u64 container = find_place(&visited);
  if (describe_task(&visited, container, &visited_record) &&
      bpf_seq_write(out, &visited_record, sizeof(visited_record)))
    return;
  if (!container) return;
  struct summed_tasks *place = place_of(container);
  if (is_taken(place, pass, container) && bpf_seq_write(out, &place->sums, sizeof(place->sums))) return;
  sum_task(place, &visited, pass, container);
}

/*
 * The iterator takes several times as long from one task to the next as a visit does. So the program goes through the list
 * of all tasks itself, in the run for the first one, where it can: with the kernel's functions for that (6.7,
 * c68a78ffe2cb) and the JIT that calls them, hence KATAMETER_LISTS_TASKS. The kernel holds rcu_read_lock() meanwhile. Where
 * there are more tasks than LISTED_TASKS, or more records than the buffer holds, the iterator is used as on older kernels.
 */
enum {
  LISTED_TASKS = 16384,
};

static __u64 listed_session __attribute__((used));     /* whose tasks have all been visited */
static __u64 not_listed_session __attribute__((used)); /* whose tasks are visited one by one */
static __u32 listed_tasks __attribute__((used)); /* no local variable: the verifier would follow each of its values */

#ifdef KATAMETER_LISTS_TASKS
struct bpf_iter_task {
  __u64 opaque[3];
} __attribute__((aligned(8)));

enum {
  EVERY_THREAD = 1, /* kernel/bpf/task_iter.c, BPF_TASK_ITER_ALL_THREADS */
};

extern int bpf_iter_task_new(struct bpf_iter_task *at, struct task_struct *from, unsigned int flags) __weak __ksym;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *at) __weak __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task *at) __weak __ksym;

static __always_inline int lists_tasks(void) {
  return bpf_core_type_exists(struct bpf_iter_task);
}

/*
 * 1: there is a record to write; below 0: there are two. The verifier checks a global function once; in the loop it would
 * follow each way through it, for each way before.
 */
__noinline int visit_listed(void) {
  if (sums_sched) account_visited();
  const __u64 container = find_place(&visited);
  const int described = describe_task(&visited, container, &visited_record);
  if (!container) return described;
  struct summed_tasks *place = place_of(container);
  const int taken = is_taken(place, summed_pass, container);
  if (taken && described) return -1;
  if (taken) *(struct container_tasks *)&visited_record = place->sums;
  sum_task(place, &visited, summed_pass, container);
  return taken || described;
}

/* 0: all were visited. */
static __always_inline int visit_list(struct seq_file *out) {
  struct bpf_iter_task at;
  struct task_struct *task;
  int full = 0;

  listed_tasks = 0;
  bpf_iter_task_new(&at, 0, EVERY_THREAD);
  while (!full && (task = bpf_iter_task_next(&at))) {
    if (!task->pid) continue; /* the idle task of the first CPU */
    read_task(task, &visited);
    const int records = visit_listed();
    full = listed_tasks++ >= LISTED_TASKS || records < 0 ||
           (records && bpf_seq_write(out, &visited_record, sizeof(visited_record)));
  }
  bpf_iter_task_destroy(&at);
  return full;
}
#else
static __always_inline int lists_tasks(void) {
  return 0;
}

static __always_inline int visit_list(struct seq_file *out) {
  return -1;
}
#endif

SEC("iter/task")
int walk_tasks(struct bpf_iter__task___meta *ctx) {
  const __u64 session = ctx->meta->session_id;
  struct seq_file *out = ctx->meta->seq;
  struct task_struct *task = ctx->task;

  /* With 1 the kernel ends the read(). What the program has written before is read; otherwise the read() fails with EAGAIN. */
  if (listed_session == session) return 1;
  if (!task) {
    end_of_tasks(out);
    return 0;
  }
  const int is_listed = lists_tasks() && not_listed_session != session;
  const __u64 pass = 2 * session + !is_listed;
  begin_pass(pass);
  if (!is_listed) {
    visit_task(out, pass, task);
    return 0;
  }
  not_listed_session = session;
  if (visit_list(out) || end_of_tasks(out)) return 1;
  listed_session = session;
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
