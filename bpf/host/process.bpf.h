/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_HOST_PROCESS_BPF_H
#define KATAMETER_HOST_PROCESS_BPF_H

#include "bpf/host/records.h"
#include "bpf/kernel_task.h"

/*
 * The processes of sandboxes, and whose a thread is. A thread that is being freed may have outlived its leader's
 * task_struct, never its signal_struct; so threads are identified by that. Each file that uses a map declares it; the linker
 * makes one of them.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1); /* set before loading */
  __type(key, struct process_key);
  __type(value, struct process_record);
} processes SEC(".maps") __weak;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u64);     /* address of a signal_struct */
  __type(value, struct process_key);
} by_signal SEC(".maps") __weak;

/* The process that a thread is of. An ended one is in the maps until user space has seen it; by then its signal_struct
 * may be another's, as often happens: hence the look at the pid. */
static __always_inline struct process_record *process_of(struct task_struct *thread) {
  __u64 signal = (__u64)thread->signal;
  struct process_key *key = bpf_map_lookup_elem(&by_signal, &signal);
  if (!key || key->tgid != (__u32)thread->tgid) return 0;
  return bpf_map_lookup_elem(&processes, key);
}

/* The same by an address. */
static __always_inline struct process_record *process_at(__u64 task) {
  __u64 signal = KREAD(struct task_struct, task, signal);
  struct process_key *key = bpf_map_lookup_elem(&by_signal, &signal);
  __u32 tgid = KREAD(struct task_struct, task, tgid);
  if (!key || key->tgid != tgid) return 0;
  return bpf_map_lookup_elem(&processes, key);
}

/* The name of a task at an address, which is no longer than two words. */
static __always_inline void read_comm(__u64 task, char *comm) {
  __u64 name = FIELD(struct task_struct, task, comm);

  if (READS_DIRECTLY) {
    ((__u64 *)comm)[0] = read_u64(name);
    ((__u64 *)comm)[1] = read_u64(name + sizeof(__u64));
  } else {
    bpf_probe_read_kernel(comm, 16, (void *)name);
  }
}

static __always_inline int begins_with(const char *comm, const char *prefix, int length) {
  for (int i = 0; i < length; i++)
    if (comm[i] != prefix[i]) return 0;
  return 1;
}

/* By its name, as cloud-hypervisor ("vcpu0"), QEMU with debug-threads ("CPU 0/KVM"), Firecracker, Dragonball and OpenVMM
 * ("vp-0") give it. */
static __always_inline int is_vcpu_name(const char *comm) {
  return begins_with(comm, "vcpu", 4) || begins_with(comm, "CPU ", 4) || begins_with(comm, "fc_vcpu", 7) ||
         begins_with(comm, "db_vcpu", 7) || begins_with(comm, "vp-", 3);
}

/* Threads of a VMM that the kernel makes and names: vhost since 6.4, kvm-nx-lpage-recovery since 6.14. */
static __always_inline int is_kernel_name(const char *comm) {
  return begins_with(comm, "vhost-", 6) || begins_with(comm, "kvm-", 4);
}

/* Only a vCPU thread is ever in guest mode: this identifies those that their VMM does not name (QEMU). */
static __always_inline __u64 guest_time(__u64 task) {
  return KREAD(struct task_struct___usage, task, gtime);
}

enum { THREAD_OTHER, THREAD_VCPU, THREAD_KERNEL };

static __always_inline int thread_kind(const char *comm, __u64 guest_ns) {
  if (guest_ns || is_vcpu_name(comm)) return THREAD_VCPU;
  return is_kernel_name(comm) ? THREAD_KERNEL : THREAD_OTHER;
}

/* Each file that uses the map declares it; the linker makes one of them. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct host_status);
} host_status_map SEC(".maps") __weak;

static __always_inline struct host_status *host_status(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&host_status_map, &zero);
}

static __always_inline int counts_io(void) {
  return bpf_core_field_exists(struct signal_struct___usage, ioac);
}

/* Of a thread that lives; its time in guest mode the caller has read. */
static __always_inline void add_thread_usage(__u64 task, struct process_usage *usage) {
  usage->minor_faults += KREAD(struct task_struct___usage, task, min_flt);
  usage->major_faults += KREAD(struct task_struct___usage, task, maj_flt);
  if (!bpf_core_field_exists(struct task_struct___usage, ioac)) return;
  __u64 ioac = FIELD(struct task_struct___usage, task, ioac);
  usage->read_bytes += KREAD(struct task_io_accounting, ioac, read_bytes);
  usage->write_bytes += KREAD(struct task_io_accounting, ioac, write_bytes);
}

/* Of the dead threads of a process; at its end, of all. */
static __always_inline void read_dead_usage(__u64 signal, struct process_usage *usage) {
  usage->guest_ns = KREAD(struct signal_struct___usage, signal, gtime);
  usage->minor_faults = KREAD(struct signal_struct___usage, signal, min_flt);
  usage->major_faults = KREAD(struct signal_struct___usage, signal, maj_flt);
  if (!counts_io()) return;
  __u64 ioac = FIELD(struct signal_struct___usage, signal, ioac);
  usage->read_bytes = KREAD(struct task_io_accounting, ioac, read_bytes);
  usage->write_bytes = KREAD(struct task_io_accounting, ioac, write_bytes);
}

#endif
