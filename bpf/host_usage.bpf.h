/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_HOST_USAGE_BPF_H
#define KATAMETER_HOST_USAGE_BPF_H

#include "bpf/host_records.h"
#include "bpf/kernel_process.h"

static __always_inline int counts_io(void) {
  return bpf_core_field_exists(struct signal_struct___usage, ioac);
}

#define IO_BYTES(owner, which) read_u64((owner) + bpf_core_field_offset(struct task_io_accounting, which))

/* Of a thread that lives; its time in guest mode the caller has read. */
static __always_inline void add_thread_usage(__u64 task, struct process_usage *usage) {
  usage->minor_faults += read_u64(task + bpf_core_field_offset(struct task_struct___usage, min_flt));
  usage->major_faults += read_u64(task + bpf_core_field_offset(struct task_struct___usage, maj_flt));
  if (!bpf_core_field_exists(struct task_struct___usage, ioac)) return;
  __u64 ioac = task + bpf_core_field_offset(struct task_struct___usage, ioac);
  usage->read_bytes += IO_BYTES(ioac, read_bytes);
  usage->write_bytes += IO_BYTES(ioac, write_bytes);
}

/* Of the dead threads of a process; at its end, of all. */
static __always_inline void read_dead_usage(__u64 signal, struct process_usage *usage) {
  usage->guest_ns = read_u64(signal + bpf_core_field_offset(struct signal_struct___usage, gtime));
  usage->minor_faults = read_u64(signal + bpf_core_field_offset(struct signal_struct___usage, min_flt));
  usage->major_faults = read_u64(signal + bpf_core_field_offset(struct signal_struct___usage, maj_flt));
  if (!counts_io()) return;
  __u64 ioac = signal + bpf_core_field_offset(struct signal_struct___usage, ioac);
  usage->read_bytes = IO_BYTES(ioac, read_bytes);
  usage->write_bytes = IO_BYTES(ioac, write_bytes);
}

#endif
