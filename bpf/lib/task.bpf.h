/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_LIB_TASK_BPF_H
#define KATAMETER_LIB_TASK_BPF_H

#include "bpf/kernel_task.h"

/* include/linux/sched.h: task_struct.flags. */
#define PF_EXITING 0x4 /* set before sched_process_exit */
#define PF_KTHREAD 0x00200000

/* include/linux/sched.h: task_struct.__state. The last two are of 5.16 (5f220be21418) and 6.1 (f5d39b020809); older kernels
 * use these bits for nothing. */
enum {
  TASK_IS_INTERRUPTIBLE = 0x1,
  TASK_IS_UNINTERRUPTIBLE = 0x2,
  TASK_IS_STOPPED = 0x4,
  TASK_IS_TRACED = 0x8,
  TASK_IS_PARKED = 0x40,
  TASK_IS_NO_LOAD = 0x400, /* with TASK_IS_UNINTERRUPTIBLE: idle */
  TASK_WAITS_FOR_LOCK = 0x1000,
  TASK_IS_FROZEN = 0x8000,
};

/* The first namespace of any task is the guest's own (kernel/pid.c, init_pid_ns), in which tracepoints count. */
static __always_inline __u64 initial_pid_namespace(void) {
  __u64 pid = KREAD(struct task_struct, bpf_get_current_task(), thread_pid);
  return KREAD(struct upid, FIELD(struct pid, pid, numbers), ns);
}

/*
 * The task with a process id, as find_task_by_pid_ns() finds it; 0 if there is none. The ids are in a radix tree
 * (lib/radix-tree.c): an entry that ends in 10 is an inner node, any other one the struct pid.
 */
static __always_inline __u64 task_of_pid(__u32 number) {
  const __u32 slots = bpf_core_field_size(struct xa_node, slots) / sizeof(void *);
  __u64 ids = FIELD(struct idr, FIELD(struct pid_namespace, initial_pid_namespace(), idr), idr_rt);
  __u64 entry = KREAD(struct xarray, ids, xa_head);

  for (int level = 0; level < 8 && (entry & 3) == 2; level++) {
    __u64 node = entry - 2;
    __u8 shift = 0;
    bpf_probe_read_kernel(&shift, sizeof(shift), (void *)FIELD(struct xa_node, node, shift));
    __u64 slot = (number >> (shift & 31)) & (slots - 1);
    entry = read_u64(FIELD(struct xa_node, node, slots) + slot * sizeof(void *));
  }
  if (!entry || (entry & 3)) return 0;
  __u64 link = KREAD(struct pid, entry, tasks); /* of type PIDTYPE_PID, the first */
  return link ? CONTAINER(struct task_struct, link, pid_links) : 0;
}

/* struct mm_struct.rss_stat[member], since 6.2. */
static __always_inline __u64 mm_counter(__u64 mm, int member) {
  return FIELD(struct mm_struct___percpu, mm, rss_stat) + member * bpf_core_type_size(struct percpu_counter);
}

/* Pages by MM_*, without what the CPUs have not added yet: may be below 0. */
static __always_inline __s64 mm_sum(__u64 mm, int member) {
  if (bpf_core_field_exists(struct mm_struct___percpu, rss_stat))
    return KREAD(struct percpu_counter, mm_counter(mm, member), count);
  return read_u64(FIELD(struct mm_rss_stat, FIELD(struct mm_struct, mm, rss_stat), count) +
                  member * sizeof(atomic_long_t));
}

static __always_inline __u64 not_negative(__s64 pages) {
  return pages < 0 ? 0 : pages;
}

#endif
