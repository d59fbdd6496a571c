/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_TASK_OF_PID_BPF_H
#define KATAMETER_TASK_OF_PID_BPF_H

#include "bpf/kernel.h"

/* The first namespace of any task is the guest's own (kernel/pid.c, init_pid_ns), in which tracepoints count. */
static __always_inline __u64 initial_pid_namespace(void) {
  __u64 pid = read_u64(bpf_get_current_task() + bpf_core_field_offset(struct task_struct, thread_pid));
  return read_u64(pid + bpf_core_field_offset(struct pid, numbers) + bpf_core_field_offset(struct upid, ns));
}

/*
 * The task with a process id, as find_task_by_pid_ns() finds it; 0 if there is none. The ids are in a radix tree
 * (lib/radix-tree.c): an entry that ends in 10 is an inner node, any other one the struct pid.
 */
static __always_inline __u64 task_of_pid(__u32 number) {
  const __u32 slots = bpf_core_field_size(struct xa_node, slots) / sizeof(void *);
  __u64 entry = read_u64(initial_pid_namespace() + bpf_core_field_offset(struct pid_namespace, idr) +
                         bpf_core_field_offset(struct idr, idr_rt) + bpf_core_field_offset(struct xarray, xa_head));

  for (int level = 0; level < 8 && (entry & 3) == 2; level++) {
    __u64 node = entry - 2;
    __u8 shift = 0;
    bpf_probe_read_kernel(&shift, sizeof(shift), (void *)(node + bpf_core_field_offset(struct xa_node, shift)));
    __u64 slot = (number >> (shift & 31)) & (slots - 1);
    entry = read_u64(node + bpf_core_field_offset(struct xa_node, slots) + slot * sizeof(void *));
  }
  if (!entry || (entry & 3)) return 0;
  __u64 link = read_u64(entry + bpf_core_field_offset(struct pid, tasks)); /* of type PIDTYPE_PID, the first */
  return link ? link - bpf_core_field_offset(struct task_struct, pid_links) : 0;
}

#endif
