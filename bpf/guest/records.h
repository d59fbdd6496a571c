/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_GUEST_RECORDS_H
#define KATAMETER_GUEST_RECORDS_H

/* What the guest's BPF programs write and C++ reads: plain fixed-width fields, no padding left to the compiler. */

#include <linux/types.h>

#include "bpf/lib/records.h"

enum {
  PATH_BYTES = 256,    /* a cgroup path, or its beginning; systemd's form of a Kubernetes container has 190 */
  COMM_BYTES = 16,     /* TASK_COMM_LEN */
  OOM_NAMES = 6,       /* levels of a victim's cgroup that an OOM record names */
  REMOVED_SLOTS = 512, /* records in the ring `removed`; a multiple of 64 */
  OOM_SLOTS = 256,     /* records in the ring `oom_events` */
};

/* What the cpu controller keeps of a cgroup (struct task_group). */
struct bandwidth_record {
  __u64 quota_ns; /* cfs_bandwidth.quota; NO_QUOTA without one */
  __u64 period_ns;
  __u64 shares; /* as the kernel keeps it: 1024 times what cpu.shares shows on 64 bits */
  __u64 periods;
  __u64 throttled_periods;
  __u64 throttled_ns; /* throttles that have ended */
  __u64 burst_periods;
  __u64 burst_ns;
  __u64 idle; /* task_group.idle */
};

#define NO_QUOTA (~0ULL) /* RUNTIME_INF in kernel/sched/sched.h */

/* What the pids controller keeps of a cgroup (struct pids_cgroup). */
struct tasks_record {
  __u64 current;
  __u64 max; /* NO_TASKS_LIMIT without one */
};

#define NO_TASKS_LIMIT (~0ULL)

enum {
  CPU_TIMES = 1 << 0,     /* usage_ns, user_ns, system_ns */
  CPU_BANDWIDTH = 1 << 1, /* bandwidth */
  CPU_TASKS = 1 << 2,     /* tasks */
  CPU_UNIFIED = 1 << 3,   /* of cgroup v2 */
  CPU_BURST = 1 << 4,     /* bandwidth.burst_periods and burst_ns */
  CPU_IDLE = 1 << 5,      /* bandwidth.idle */
  CPU_CPUSET = 1 << 6,    /* cpuset_cpus */
};

/* One row of a hierarchy in which cpuacct, cpu, pids or cpuset are; `kinds` says which of them are there. */
struct cpu_record {
  __u64 id;            /* kernfs id = inode number of the directory, of the container's cgroup */
  __u64 usage_ns;      /* struct cpuacct.cpuusage, all CPUs; children included */
  __u64 user_ns;       /* struct cpuacct.cpustat, all CPUs: ticks, as ns; children included */
  __u64 system_ns;     /* the same; with interrupts */
  __u64 shown_user_ns; /* struct cgroup.prev_cputime: what cputime_adjust() gave out last; 0 = it never ran */
  __u64 shown_system_ns;
  struct bandwidth_record bandwidth;
  struct tasks_record tasks;
  __u32 kinds;       /* CPU_* */
  __u32 cpuset_cpus; /* how many are in cpuset.effective_cpus */
};

/* CPU time in the order in which struct cpu_record has it. */
enum {
  TIME_USAGE,  /* sum_exec_runtime */
  TIME_USER,   /* utime */
  TIME_SYSTEM, /* stime */
  TIMES,
};

/*
 * One row of cgroup v2 (kernel/cgroup/rstat.c). What a cgroup's own tasks use is counted per CPU; a flush, which readers
 * of cpu.stat make, carries it into the cgroup and from there into the parent. `cpu` has the sum over the container's
 * cgroup and all below it; the root's is cpuacct's.
 */
struct unified_record {
  struct cpu_record cpu;
  __u64 check;       /* changes when a flush carries something on in any of the cgroups */
  __u32 nested;      /* cgroups below the container's that were added */
  __u32 descendants; /* how many there are: cgroup.nr_descendants + nr_dying_descendants */
};

enum {
  STAT_ANON,               /* NR_ANON_MAPPED */
  STAT_FILE,               /* NR_FILE_PAGES */
  STAT_INACTIVE_FILE,      /* NR_INACTIVE_FILE */
  STAT_ACTIVE_FILE,        /* NR_ACTIVE_FILE */
  STAT_MAPPED_FILE,        /* NR_FILE_MAPPED */
  STAT_INACTIVE_ANON,      /* NR_INACTIVE_ANON */
  STAT_ACTIVE_ANON,        /* NR_ACTIVE_ANON */
  STAT_UNEVICTABLE,        /* NR_UNEVICTABLE */
  STAT_SHMEM,              /* NR_SHMEM */
  STAT_DIRTY,              /* NR_FILE_DIRTY */
  STAT_WRITEBACK,          /* NR_WRITEBACK */
  STAT_SLAB_RECLAIMABLE,   /* NR_SLAB_RECLAIMABLE_B; bytes, as the next */
  STAT_SLAB_UNRECLAIMABLE, /* NR_SLAB_UNRECLAIMABLE_B */
  STAT_KERNEL_STACK,       /* NR_KERNEL_STACK_KB; KiB */
  STAT_PAGE_TABLES,        /* NR_PAGETABLE */
  STAT_REFAULT_ANON,       /* WORKINGSET_REFAULT_ANON */
  STAT_REFAULT_FILE,       /* WORKINGSET_REFAULT_FILE */
  STAT_SWAP,               /* MEMCG_SWAP */
  STAT_SOCKETS,            /* MEMCG_SOCK */
  STAT_PER_CPU,            /* MEMCG_PERCPU_B; bytes */
  STAT_KERNEL,             /* MEMCG_KMEM */
  STAT_ZSWAP,              /* MEMCG_ZSWAP_B; bytes */
  STAT_ZSWAPPED,           /* MEMCG_ZSWAPPED */
  STAT_FAULTS,             /* PGFAULT; from here on events, not pages */
  STAT_MAJOR_FAULTS,       /* PGMAJFAULT */
  STAT_SCANNED,            /* PGSCAN_KSWAPD, and what ITEM_SCANNED_* add */
  STAT_RECLAIMED,          /* PGSTEAL_KSWAPD, and what ITEM_RECLAIMED_* add */
  STATS,
};

/* Where the kernel keeps a figure in several places: the further ones, each of which is added to its STAT_*. */
enum {
  ITEM_SCANNED_DIRECT = STATS,
  ITEM_SCANNED_KHUGEPAGED,
  ITEM_SCANNED_PROACTIVE,
  ITEM_RECLAIMED_DIRECT,
  ITEM_RECLAIMED_KHUGEPAGED,
  ITEM_RECLAIMED_PROACTIVE,
  STAT_ITEMS,
};

/* What memory.events and memory.swap.events count. */
enum {
  EVENT_LOW,
  EVENT_HIGH,
  EVENT_MAX,
  EVENT_OOM,
  EVENT_OOM_GROUP_KILL, /* since 5.17 */
  EVENT_SWAP_MAX,
  EVENT_SWAP_FAIL,
  MEMORY_EVENTS,
};

#define EVENT_NOT_COUNTED (~0ULL)

struct memory_record {
  __u64 id;               /* as in struct cpu_record */
  __u64 usage_pages;      /* page_counter.usage */
  __u64 peak_pages;       /* page_counter.watermark */
  __u64 limit_pages;      /* page_counter.max */
  __u64 failcnt;          /* page_counter.failcnt; v2 since 6.15: memory_events[MEMCG_MAX] */
  __u64 oom_kills;        /* memory_events[MEMCG_OOM_KILL], of the cgroup and all below it, removed ones too */
  __u64 swap_pages;       /* mem_cgroup.swap.usage; v1: memory and swap together */
  __u64 swap_limit_pages; /* mem_cgroup.swap.max; v1: of memory and swap together */
  __u64 swap_peak_pages;  /* mem_cgroup.swap.watermark; the same */
  __u64 swap_failcnt;     /* v1: mem_cgroup.memsw.failcnt */
  __u64 kernel_pages;     /* v1: mem_cgroup.kmem.usage */
  __u64 soft_limit_pages; /* v1: mem_cgroup.soft_limit */
  __u64 min_pages;        /* v2: page_counter.min */
  __u64 stalls;   /* times that a task of it, or of one below, had to reclaim memory itself (guest/reclaim.bpf.c) */
  __u64 stall_ns; /* for how long; stalls that have ended */
  __u64 check;    /* changes when a CPU flushes something in any of the cgroups below */
  __u64 events[MEMORY_EVENTS]; /* v2: memory_events, of the subtree; EVENT_NOT_COUNTED: this kernel has no such event */
  __s64 stat[STATS];           /* of the subtree, as flushed by the CPUs */
  __s64 pending[STATS];        /* of the subtree, what the CPUs have not flushed yet */
};

enum {
  IO_DEVICES = 16, /* devices of a cgroup that are read */
  IO_REMOVED = 4,  /* of a removed one */
};

/* In the order in which struct io_counts has them. */
enum {
  IO_READ_BYTES,
  IO_WRITE_BYTES,
  IO_DISCARD_BYTES,
  IO_READS,
  IO_WRITES,
  IO_COUNTS,
};

struct io_counts {
  __u64 count[IO_COUNTS];
};

/* What a cgroup did on a device, last values. */
struct io_total {
  __u32 device; /* as in struct io_record */
  __u32 reserved;
  struct io_counts counts; /* of the subtree */
};

/* A cgroup and a device. */
struct io_key {
  __u64 cgroup_id;
  __u32 device;
  __u32 reserved;
};

/*
 * One block device of a container, in the order of the containers' rows in the walk of its hierarchy.
 */
struct io_record {
  __u64 id;     /* as in struct cpu_record */
  __u32 device; /* dev_t as the kernel has it: major << 20 | minor */
  __u32 reserved;
  struct io_counts counts; /* of the subtree */
  __u64 check;             /* changes when a flush carries something on in any of the cgroups */
};

/*
 * Sizes of huge pages: those of x86-64, and of arm64 where a page has 4 KiB. And what is counted of each:
 * HUGETLB_USAGE + HUGE_2MB and so on.
 */
enum {
  HUGE_64KB,
  HUGE_2MB,
  HUGE_32MB,
  HUGE_1GB,
  HUGE_SIZES,
  HUGETLB_USAGE = 0,                /* page_counter.usage, in pages that are not huge; as the next */
  HUGETLB_PEAK = HUGE_SIZES,        /* page_counter.watermark */
  HUGETLB_FAILCNT = 2 * HUGE_SIZES, /* v1: page_counter.failcnt; v2: events[HUGETLB_MAX], of the subtree */
  HUGETLB_FIGURES = 3 * HUGE_SIZES,
};

struct hugetlb_counts {
  __u64 value[HUGETLB_FIGURES];
};

/* Of a container that has used huge pages, or was refused one; such records alone, in the order of the walk. */
struct hugetlb_record {
  __u64 id; /* as in struct cpu_record */
  struct hugetlb_counts counts;
};

/* Memory by NUMA node: pages of each node, by type as memory.numa_stat of cgroup v1 divides them. */
enum {
  NUMA_NODES = 4, /* those with the numbers 0 to 3 are read */
  NUMA_FILE = 0,
  NUMA_ANON,
  NUMA_UNEVICTABLE,
  NUMA_TYPES,
};

/* Of a container, in the row that the walk of memory gives it; of the subtree. */
struct numa_record {
  __u64 pages[NUMA_NODES][NUMA_TYPES];
};

/* The kinds of requests to virtiofs, by FUSE's opcodes (guest/virtiofs.bpf.c). */
enum {
  VIRTIOFS_READ,
  VIRTIOFS_WRITE,
  VIRTIOFS_OPEN,
  VIRTIOFS_CLOSE,
  VIRTIOFS_LOOKUP,
  VIRTIOFS_READDIR,
  VIRTIOFS_SYNC,
  VIRTIOFS_OTHER,
  VIRTIOFS_KINDS, /* a power of 2 */
};

/* What is counted of virtiofs: first the requests of each kind, by VIRTIOFS_READ and so on. */
enum {
  VIRTIOFS_READ_BYTES = VIRTIOFS_KINDS,
  VIRTIOFS_WRITTEN_BYTES,
  VIRTIOFS_READ_NS, /* from here on only where answers are counted */
  VIRTIOFS_WRITE_NS,
  VIRTIOFS_SYNC_NS,
  VIRTIOFS_METADATA_NS, /* of all other kinds */
  VIRTIOFS_READ_ERRORS,
  VIRTIOFS_WRITE_ERRORS,
  VIRTIOFS_SYNC_ERRORS,
  VIRTIOFS_IN_FLIGHT,   /* may be below 0 for a moment: two CPUs count the two ends of a request */
  VIRTIOFS_UP_TO_100US, /* requests of all kinds by their time; each is in one of these */
  VIRTIOFS_UP_TO_1MS,
  VIRTIOFS_UP_TO_10MS,
  VIRTIOFS_UP_TO_100MS,
  VIRTIOFS_UP_TO_1S,
  VIRTIOFS_OVER_1S,
  VIRTIOFS_FIGURES,
};

struct virtiofs_sums {
  __u64 value[VIRTIOFS_FIGURES];
};

/* Of a container, in the row that the walk over its hierarchy gives it. */
struct virtiofs_record {
  __u64 id; /* as in struct cpu_record; 0: it has made no request */
  struct virtiofs_sums sums;
};

/* Requests that are not counted for a container. */
enum {
  VIRTIOFS_OF_SYSTEM,  /* made by a task of the guest system */
  VIRTIOFS_OF_UNKNOWN, /* whose they are is not known */
  VIRTIOFS_OTHERS,
};

/* The copies of a CPU's counters of the network (guest/network.bpf.h): where each of the kernel's arrays begins. */
enum {
  NETWORK_TCP = 0,    /* struct tcp_mib */
  NETWORK_LINUX = 32, /* struct linux_mib */
  NETWORK_UDP = 224,  /* struct udp_mib, IPv4 */
  NETWORK_UDP6 = 240, /* and IPv6 */
  NETWORK_ROOM = 256,
  NETWORK_COUNTERS = 64, /* that are taken out of them, at most */
  NETWORK_FIGURES = 32,  /* sums of counters, at most; a power of 2 */
};

/* Sockets that have a port, and connections in TIME_WAIT, whose sockets are gone. */
enum {
  SOCKETS_TCP,
  SOCKETS_TCP6,
  SOCKETS_UDP,
  SOCKETS_UDP6,
  SOCKETS_TIME_WAIT,
  NETWORK_SOCKETS,
};

#define NOT_COUNTED (~0ULL)

/* The lines of cpu.pressure, memory.pressure and io.pressure. */
enum {
  PRESSURE_CPU_SOME,
  PRESSURE_CPU_FULL,
  PRESSURE_MEMORY_SOME,
  PRESSURE_MEMORY_FULL,
  PRESSURE_IO_SOME,
  PRESSURE_IO_FULL,
  PRESSURES,
};

/* How long the tasks of a cgroup and of all below it waited, ns: `total` as a read of the files would make it now. */
struct pressure_totals {
  __u64 total_ns[PRESSURES];
  __u64 busy_ns; /* all CPUs, modulo 2^32 each: time in which there was any task that was not asleep */
  __u32 kinds;   /* bit n: total_ns[n] is there; 0: the kernel does not count pressure, or not in this cgroup */
  __u32 reserved;
};

/* One row of cgroup v2. */
struct pressure_record {
  __u64 id; /* as in struct cpu_record */
  struct pressure_totals totals;
};

/* What walk_tasks writes: a struct task_record or a struct container_tasks; `flags` says which. */

enum {
  TASK_LEADER = 1 << 0,  /* leader of a thread group; its cpu_ns includes the group's threads that have died */
  TASK_PROCESS = 1 << 1, /* the process is one that cgroup.procs lists: a leader, and not all of its threads are dead */
  TASK_KERNEL = 1 << 2,  /* a kernel thread */
  TASK_AGENT = 1 << 3,   /* of the Kata agent's process */
  TASK_END = 1 << 4,     /* no task: all have been written, and there is nothing more to read */
  TASK_CONTAINER = 1 << 5, /* no task: a struct container_tasks */
};

/* What a thread does. */
enum {
  THREAD_RUNNING, /* or waits for a CPU */
  THREAD_SLEEPING,
  THREAD_STOPPED, /* by a signal or a tracer */
  THREAD_UNINTERRUPTIBLE,
  THREAD_IO_WAITING, /* uninterruptible, for block I/O */
  THREAD_STATES,
};

/* Of each kernel thread and each thread of the agent that is in no container, and of each thread of guest-probe. */
struct task_record {
  __u64 cgroup_id;         /* kernfs id, in the hierarchy that the walk goes through */
  __u64 container_id;      /* of the container's cgroup that it is in; 0: none */
  __u64 start_boottime_ns; /* task_struct.start_boottime */
  __u64 cpu_ns;            /* task_struct.se.sum_exec_runtime */
  __u32 pid;
  __u32 tgid;
  __u32 flags; /* TASK_* */
  __u32 reserved[3];
};

#define DESCRIPTORS_UNKNOWN (~0u)

/* Tasks of one container. There may be several of a container, whose counts are to be added. */
struct container_tasks {
  __u64 first_start_ns; /* task_struct.start_boottime of the oldest process; of no meaning without one */
  __u64 container_id;   /* as in struct task_record */
  __u32 threads[THREAD_STATES];
  __u32 processes;      /* as TASK_PROCESS */
  __u32 flags;          /* TASK_CONTAINER; at its place in struct task_record */
  __u32 max_open_files; /* RLIMIT_NOFILE of the oldest process, the soft limit */
  __u32 descriptors;    /* that its processes have open, with --open-files; DESCRIPTORS_UNKNOWN: too many to read */
  __u32 sockets;        /* how many of them are sockets */
};

enum {
  SCHED_RUN,                 /* task_struct.se.sum_exec_runtime, ns */
  SCHED_WAIT,                /* task_struct.sched_info.run_delay, ns; as the next with CONFIG_SCHED_INFO only, else 0 */
  SCHED_PERIODS,             /* task_struct.sched_info.pcount */
  SCHED_VOLUNTARY,           /* task_struct.nvcsw */
  SCHED_INVOLUNTARY,         /* task_struct.nivcsw */
  SCHED_READ_CALLS,          /* task_struct.ioac.syscr; as the next with CONFIG_TASK_XACCT only, else 0 */
  SCHED_WRITE_CALLS,         /* task_struct.ioac.syscw */
  SCHED_CALLS_READ_BYTES,    /* task_struct.ioac.rchar */
  SCHED_CALLS_WRITTEN_BYTES, /* task_struct.ioac.wchar */
  SCHED_FIGURES,
};

/* Of all tasks that a container has or had; what is read from the iterator walk_sched_sums. */
struct sched_record {
  __u64 container_id; /* as in struct task_record */
  __u64 sum[SCHED_FIGURES];
};

/*
 * The name of a container's cgroup, or of one above it. The ones above come first, so the records are a tree: the parent
 * of a record is the nearest one before it with a smaller depth.
 */
struct name_record {
  __u64 id;
  __u32 depth;                      /* 0 = root of the hierarchy */
  __u32 id_begin;                   /* a container's: where in its name the id begins, from 1 on; 0: it is not one */
  __u64 made_ns;                    /* CLOCK_BOOTTIME of its mkdir; 0 = not known, or kept in another hierarchy */
  char name[NAME_BYTES];            /* last component of the path, or its beginning; "" or "/" for the root */
  char container[CONTAINER_DIGITS]; /* a container's id */
};

enum {
  REMOVED_CPU = 1 << 0,      /* `cpu` holds its last values, those that its `kinds` name */
  REMOVED_MEMORY = 1 << 1,   /* `memory` holds its last values */
  REMOVED_IO = 1 << 2,       /* `io` holds its last values */
  REMOVED_VIRTIOFS = 1 << 3, /* `virtiofs` holds its last values */
  REMOVED_HUGETLB = 1 << 4,  /* `hugetlb` holds its last values */
};

/*
 * The rings `removed` and `oom_events`: record N is at N modulo the ring's size. While one is written its sequence
 * is 0; whoever reads looks at it before and after.
 */

/*
 * The last values of a container, taken as the directories of its cgroup were removed: in cgroup v1 one in each
 * hierarchy, whose values are added to the record as long as user space has not taken it.
 */
struct removed_record {
  __u64 sequence;         /* from 1 */
  __u64 ids[HIERARCHIES]; /* by WALK_*: kernfs id in that hierarchy; 0: it is not gone from there */
  __u64 made_ns;          /* as in struct name_record */
  __u32 kinds;            /* REMOVED_* */
  __u32 stats;            /* a bit for each STAT_* that was read */
  struct cpu_record cpu;
  struct memory_record memory;
  struct pressure_totals pressure; /* if its `kinds` is not 0 */
  __u32 io_devices;                /* how many of `io` are filled */
  __u32 io_lost;                   /* devices that found no room there */
  struct io_total io[IO_REMOVED];
  struct virtiofs_sums virtiofs;
  struct hugetlb_counts hugetlb;
  char container[CONTAINER_DIGITS]; /* its id */
  char path[PATH_BYTES];
};

/* Whose memory was out when the OOM killer was called. */
enum {
  OOM_CLASS_UNKNOWN = 0,
  OOM_CLASS_LIMIT = 1, /* a cgroup was at its limit */
  OOM_CLASS_GUEST = 2, /* the whole guest */
};

struct oom_record {
  __u64 sequence;    /* from 1 */
  __u64 boottime_ns; /* CLOCK_BOOTTIME, or CLOCK_MONOTONIC where the kernel's BPF has no boot clock */
  __u64 cgroup_id;   /* of the victim's memory cgroup */
  __u64 anon_pages;
  __u64 file_pages;
  __u64 shmem_pages;
  __u64 usage_pages;
  __u64 limit_pages;
  __u64 over_usage_pages; /* OOM_CLASS_LIMIT: of the cgroup that was at its limit; else 0 */
  __u64 over_limit_pages;
  __u32 oom_class;  /* OOM_CLASS_* */
  __u32 over_level; /* OOM_CLASS_LIMIT: that cgroup, as levels above the victim's */
  __u32 victim_tgid;
  __u32 names; /* how many of `name` are filled */
  char comm[COMM_BYTES];
  char name[OOM_NAMES][NAME_BYTES]; /* components of the cgroup's path, the last one first */
};

enum {
  VOLUMES = 16,         /* volumes of a pod that are read; a power of 2 */
  PATH_PARTS = 6,       /* components of a mount point's path: as many as the agent's longest has */
  PATH_PART_BYTES = 68, /* a container's id has 64 characters, a name of Kubernetes 63 */
};

/* A file system that the pod writes to, from its superblock: a tmpfs, ext4 or xfs. */
struct volume_record {
  char path[PATH_PARTS][PATH_PART_BYTES]; /* of its mount point, the last component first; "" ends it */
  __u32 path_is_whole;                    /* 0: it has more components */
  __u32 device;                           /* dev_t of the block device; 0: a tmpfs has none */
  __u64 block_bytes;
  __u64 used_blocks;
  __u64 max_blocks; /* 0: a tmpfs without a limit does not count blocks */
  __u64 free_inodes;
  __u64 max_inodes; /* 0: the same of inodes */
};

/* One for the whole guest. */
struct guest_status {
  __u64 generation;     /* which load of the attached programs is to record; C++ writes it */
  __u64 removals_taken; /* removed_records that user space has taken; C++ writes it */
  __u64 removals;       /* the sequence of the last removed_record */
  __u64 merging;        /* not 0 while a removed_record that user space may take is added to */
  __u64 removed_cpu_ns; /* CPU time of all containers that were removed */
  __u64 oom_events;     /* the sequence of the last oom_record */
  __u64 stalls_lost;    /* stalls that found a map of guest/reclaim.bpf.c full */
  __u64 io_lost;        /* devices of removed cgroups that found a map of guest/io.bpf.h full */
  __u64 virtiofs_lost;  /* requests of which one end was missed (guest/virtiofs.bpf.c) */
  __u64 hugetlb_rows;   /* records that collect_memory has filled in last (guest/hugetlb.bpf.h) */
  /* As the last walk_tasks found them: whether the guest has a virtiofs, what it was asked, what waits for an answer. */
  __u64 virtiofs_mounted;
  __u64 virtiofs_requests;
  __u64 virtiofs_waiting;
  struct virtiofs_sums virtiofs[VIRTIOFS_OTHERS]; /* by VIRTIOFS_OF_* */
  __u64 volumes;                                  /* that the last walk_tasks found; only VOLUMES have a place */
  struct volume_record volume[VOLUMES];
  /* The network namespace of guest-probe, as the last walk_tasks found it, if it is known. */
  __u64 network_known;
  __u64 network[NETWORK_FIGURES];
  __u64 sockets[NETWORK_SOCKETS]; /* by SOCKETS_*; NOT_COUNTED: it cannot be read */
};

/* How far C++ has got with the rings; BPF does not look at it. */
struct progress {
  __u64 instance_ns;                      /* CLOCK_BOOTTIME when the sequences began */
  __u64 snapshots;                        /* the sequence of the last snapshot */
  __u64 events_acknowledged;              /* the host has the OOM events up to this one */
  __u64 events_lost;                      /* OOM events overwritten before the host had them */
  __u64 removals_taken;                   /* removed_records read so far */
  __u64 removals_lost;                    /* removed_records overwritten before they were read */
  __u64 removals_acknowledged;            /* those up to this one are done with */
  __u64 acknowledged[REMOVED_SLOTS / 64]; /* of those after it: a bit each, at the place that it has in the ring */
  __u64 vanished_cpu_ns;                  /* CPU time of containers that went without a record */
};

/* Two of them, so that each change is whole whenever guest-probe ends: the new one is written, then made current. */
struct state_record {
  struct progress progress[2];
  __u32 current;
  __u32 reserved;
};

/* Figures that lie close together in an array are read at once, where each read is a call (read.bpf.h). */
enum {
  SPAN_PAGES,      /* STAT_ANON and on */
  SPAN_MORE_PAGES, /* STAT_SWAP and on */
  SPAN_EVENTS,     /* STAT_FAULTS and on */
  SPANS,
  SPAN_ROOM = 64, /* positions in one read, and one more; a power of 2 */
};

/*
 * Where the kernel keeps the figures of memory.stat. At start find_stats (guest/memory_stat.bpf.c) writes `of`; from then
 * on C++ writes, while the programs read. C++ takes a span away before it changes an index that is in it.
 */
struct stat_index {
  __s32 of[STAT_ITEMS]; /* index of each STAT_* and ITEM_* in the kernel's arrays; -1: it is not known, or in none */
  __u32 known;          /* a bit for each that is */
  __u64 span[SPANS];    /* the first index of a span << 32 | how many; 0: the figures are read one by one */
};

enum {
  STAT_ROOM = 128, /* items of one of the kernel's arrays */
};

/* What a memory cgroup's arrays hold (guest/memory.bpf.h), of the subtree, as flushed by the CPUs. */
struct stat_copy {
  __s64 pages[STAT_ROOM];
  __s64 events[STAT_ROOM];
};

#endif
