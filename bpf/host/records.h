/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_HOST_RECORDS_H
#define KATAMETER_HOST_RECORDS_H

#include <linux/types.h>

/* What the host's BPF programs and C++ share: plain fixed-width fields, no padding left to the compiler. */

enum {
  ARGUMENT_BYTES = 2048, /* of a command line; what names the sandbox stands near its beginning */
  WATCHED_NAMES = 12,
  CHILDREN_KEPT = 256,     /* of one root, ended ones included until user space takes them out */
  WAKE_PROCESSES = 256,    /* user space is woken each time so many were recorded, or lost */
  MEMORY_FILES = 64,       /* files of guest RAM that a VMM has open: one or a few */
  CGROUP_NAME_BYTES = 192, /* of a cgroup's name: "kubepods-<class>-pod<uid>.slice:cri-containerd:<64 hex>" has 145 */
};

/* What a process is to its sandbox. */
enum {
  PROCESS_VMM = 1,
  PROCESS_VIRTIOFSD = 2,
  PROCESS_SHIM = 3,
  PROCESS_KERNEL = 4,  /* a kernel thread that works for a VMM alone: vhost before 6.4, kvm-pit */
  PROCESS_UNKNOWN = 5, /* what a shim runs, or a pod's cgroup has, under another name: it may be a VMM */
};

/*
 * All containerd shims have one comm. One is Kata's by the name of its file, which containerd makes of the runtime's type:
 * io.containerd.kata.v2 is containerd-shim-kata-v2, io.containerd.kata-qemu.v2 is containerd-shim-kata-qemu-v2.
 */
#define KATA_SHIM "containerd-shim-kata"

/* Whether the name of a file, `length` characters of it, is that of a Kata shim. For BPF and C++. */
__attribute__((always_inline)) static inline int is_kata_shim_name(const char *name, unsigned long length) {
  for (unsigned long i = 0; i < sizeof(KATA_SHIM) - 1; i++)
    if (i >= length || name[i] != KATA_SHIM[i]) return 0;
  return 1;
}

/* Processes to look at: those whose comm, taken as two words and cut by `mask`, is `name`. mask 0: entry not used. */
struct watched_name {
  __u64 name[2];
  __u64 mask[2];
  __u64 kind; /* PROCESS_* */
};

/* Sums of a process that the kernel keeps beside its CPU time. */
struct process_usage {
  __u64 guest_ns;     /* gtime: time in guest mode, in ticks; part of the CPU time */
  __u64 minor_faults; /* min_flt */
  __u64 major_faults; /* maj_flt */
  __u64 read_bytes;   /* ioac.read_bytes: fetched from storage; 0 without CONFIG_TASK_IO_ACCOUNTING */
  __u64 write_bytes;  /* ioac.write_bytes: to be sent to storage */
};

/* A process for ever: pids are used again, a pid and the moment its leader began are not. */
struct process_key {
  __u64 start_boottime_ns; /* task_struct.start_boottime of the leader */
  __u32 tgid;              /* as the initial pid namespace numbers it */
  __u32 reserved;
};

/* A process that exec or fork has shown us, in the kernel's map until C++ takes it out. */
struct process_record {
  struct process_key root; /* the process whose command line says which sandbox this is: itself or an ancestor */
  struct process_key shim; /* the nearest Kata shim among its ancestors as it began or was found; all 0: none */
  __u64 leader;            /* address of its task_struct; not to be followed once `ended` is set */
  __u64 signal;            /* address of its signal_struct */
  __u32 kind;              /* PROCESS_* */
  __u32 ended;             /* its leader was freed: final_cpu_ns is set */
  __u64 final_cpu_ns;      /* signal_struct.sum_sched_runtime, all threads in it */
  __u64 exit_cpu_ns;       /* CPU time as the last thread began to exit, up to a tick late; 0 before */
  __u64 exit_vcpu_ns;      /* sched_entity.sum_exec_runtime of vCPU threads as they began to exit, as late */
  __u64 exit_kernel_ns;    /* the same of the kernel's threads in the process (vhost since 6.4) */
  __u64 oom_kills;         /* times that the host's OOM killer chose it */
  struct process_usage final_usage; /* as final_cpu_ns */
  /* Of threads that were freed while we watched: exact. */
  __u64 dead_vcpu_ns;       /* sched_entity.sum_exec_runtime of vCPU threads */
  __u64 dead_vcpu_delay_ns; /* sched_info.run_delay of vCPU threads */
  __u64 dead_kernel_ns;     /* both of the kernel's threads */
  __u64 dead_kernel_delay_ns;
  __u64 dead_other_delay_ns; /* sched_info.run_delay of the others */
  /* Threads that are classified: vCPUs and the kernel's. Of one between the two only exit_*_ns has the time, once it is
   * not in the list of threads. */
  __u64 classified_exits;
  __u64 classified_frees;
};

/* One of the two counts is 0. */
struct memory_file {
  __u64 inode;  /* address: identifies the file while the process has it open */
  __u64 blocks; /* inode.i_blocks, of 512 bytes: pages in memory and in swap, whoever maps them */
  __u64 pages;  /* address_space.nrpages: pages in memory, whoever maps them */
};

enum {
  READING_GONE = 1 << 0,      /* no such process, or not one with threads any more: nothing else is right */
  READING_RACED = 1 << 1,     /* a thread died during the reading: the sums may lack it */
  READING_TRUNCATED = 1 << 2, /* more threads or descriptors than a reading goes through: the sums lack some */
  READING_TORN = 1 << 3,      /* a thread was just being summed up and may be in cpu_ns twice */
  READING_IO = 1 << 4,        /* the kernel counts the bytes of I/O */
};

/* One process at one moment, live threads only except where noted. */
struct process_reading {
  __u32 flags; /* READING_* */
  __u32 threads;
  __u32 vcpu_threads;               /* by their names, or for having been in guest mode */
  __u32 kernel_threads;             /* by their names */
  __u32 exiting_classified_threads; /* of both, begun to exit */
  __u32 files;
  __u64 cpu_ns;               /* the whole process: sum_sched_runtime + live threads; dead ones included */
  __u64 vcpu_ns;              /* sum_exec_runtime of vCPU threads */
  __u64 vcpu_delay_ns;        /* run_delay of vCPU threads */
  __u64 kernel_ns;            /* sum_exec_runtime of the kernel's threads */
  __u64 kernel_delay_ns;      /* run_delay of the kernel's threads */
  __u64 other_delay_ns;       /* run_delay of the others */
  struct process_usage usage; /* the whole process, dead threads included */
  __u64 mm;                   /* address of mm_struct: a vforked child has its parent's. 0 for a zombie */
  __u64 anonymous_pages;      /* mm.rss_stat[MM_ANONPAGES], what the CPUs have not flushed included */
  __u64 file_pages;           /* the same of MM_FILEPAGES */
  __u64 shared_pages;         /* the same of MM_SHMEMPAGES; guest RAM that is mapped is in it */
  __u64 page_table_bytes;     /* mm.pgtables_bytes */
  __u64 mapped_pages;         /* mm.total_vm: all of the address space that is mapped, touched or not */
  __u64 classified_exits;     /* as in the record, but after the threads were looked at */
  __u64 memory_cgroup;        /* kernfs_node.id of its cgroup with the memory controller; 0: there is none */
  __u64 memory_cgroup_pages;  /* mem_cgroup.memory.usage, cgroups below it included */
  char memory_cgroup_name[CGROUP_NAME_BYTES];
  struct process_record record; /* as it was before */
  struct memory_file file[MEMORY_FILES];
};

/* exec of a watched name, or below a shim: the command line, to find the sandbox in. */
struct exec_event {
  struct process_key key;
  struct process_key shim; /* as in the record */
  __u32 kind;
  __u32 argument_bytes;
  char arguments[ARGUMENT_BYTES]; /* each ends with a zero byte */
};

/* BPF counts, C++ reads through mmap. */
struct host_status {
  __u64 processes_recorded;
  __u64 processes_lost; /* not recorded: the map was full, or had too many of one root */
  __u64 events_lost;    /* command lines not delivered: the buffer was full */
  __u64 oom_kills;      /* of processes of sandboxes, by the host's OOM killer */
};

#endif
