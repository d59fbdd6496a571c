/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_H
#define KATAMETER_KERNEL_H

/*
 * Every kernel type and field that our programs read, and nothing else: this header, with kernel_task.h, kernel_fs.h,
 * kernel_fuse.h and kernel_net.h, is the list of what we depend on.
 * CO-RE finds the fields in the running kernel's BTF, so order and size here do not matter, only names and kinds.
 * What moved between kernels stands as a flavour (name___what), with the commit that moved it.
 */

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/read.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  long counter;
} atomic_long_t;

typedef struct {
  __s64 counter;
} atomic64_t;

struct list_head {
  struct list_head *next;
};

struct hlist_node {
  struct hlist_node *next;
};

struct hlist_head {
  struct hlist_node *first;
};

/* kernel/bpf: where a per-CPU array keeps its values. */
struct bpf_array {
  void *pptrs[1];
};

/* include/linux/kernfs.h. `id` is the directory's inode number (64-bit kernels) and is never given twice. */
struct kernfs_node {
  __u64 id;
  const char *name;
  struct kernfs_node *parent;
};

/* `parent` became the RCU-protected `__parent` in 6.15 (633488947ef6). */
struct kernfs_node___rcu {
  struct kernfs_node *__parent;
};

/* include/linux/cgroup-defs.h */
enum cgroup_subsys_id {
  cpu_cgrp_id,
  cpuacct_cgrp_id,
  pids_cgrp_id,
  memory_cgrp_id,
  CGROUP_SUBSYS_COUNT,
};

enum css_flags {
  CSS_ONLINE = 1 << 1,
};

struct cgroup_subsys_state {
  struct cgroup *cgroup;
  struct cgroup_subsys_state *parent;
  struct list_head sibling;
  struct list_head children;
  __u64 serial_nr;
  unsigned int flags;
};

/* include/linux/sched.h: what cputime_adjust() showed last, so that neither of the two goes back. */
struct prev_cputime {
  __u64 utime;
  __u64 stime;
};

/* What cgroup v2 counts without any controller: ns. */
struct task_cputime {
  __u64 stime;
  __u64 utime;
  unsigned long long sum_exec_runtime;
};

struct cgroup_base_stat {
  struct task_cputime cputime;
};

struct cgroup_rstat_cpu {
  struct cgroup_base_stat bstat;
  struct cgroup_base_stat last_bstat;
};

struct cgroup_root {
  int hierarchy_id;
};

struct cgroup {
  struct cgroup_subsys_state self;
  int nr_descendants;
  int nr_dying_descendants;
  struct kernfs_node *kn;
  struct cgroup_subsys_state *subsys[CGROUP_SUBSYS_COUNT];
  struct cgroup_root *root;
  struct cgroup_rstat_cpu *rstat_cpu;
  struct cgroup_base_stat last_bstat;
  struct cgroup_base_stat bstat;
  struct prev_cputime prev_cputime;
};

/* The per-CPU base stats got a struct of their own in 6.16 (5da3bfa029d6). */
struct cgroup_rstat_base_cpu {
  struct cgroup_base_stat bstat;
  struct cgroup_base_stat last_bstat;
};

struct cgroup___base_cpu {
  struct cgroup_rstat_base_cpu *rstat_base_cpu;
};

struct css_set {
  struct cgroup *dfl_cgrp;
  struct cgroup_subsys_state *subsys[CGROUP_SUBSYS_COUNT];
};

/* kernel/sched/cpuacct.c: cpuusage was one struct cpuacct_usage per CPU, and is one u64 since 5.10.y and 5.18
 * (dd02d4234c9a). */
struct cpuacct {
  struct cgroup_subsys_state css;
  __u64 *cpuusage;
  struct kernel_cpustat *cpustat;
};

struct cpuacct_usage {
  __u64 usages[2];
};

/* include/linux/kernel_stat.h: ns, counted in ticks. */
enum cpu_usage_stat {
  CPUTIME_USER,
  CPUTIME_NICE,
  CPUTIME_SYSTEM,
  CPUTIME_SOFTIRQ,
  CPUTIME_IRQ,
};

struct kernel_cpustat {
  __u64 cpustat[1];
};

/* kernel/sched/sched.h: the cpu controller; ns. cfs_bandwidth is there with CONFIG_CFS_BANDWIDTH. */
struct cfs_bandwidth {
  __s64 period;
  __u64 quota;
  int nr_periods;
  int nr_throttled;
  __u64 throttled_time;
};

/* Since 5.15 (f4183717b370, bcb1704a1ed2). */
struct cfs_bandwidth___burst {
  int nr_burst;
  __u64 burst_time;
};

/* Since 5.15 (304000390f88). */
struct task_group___idle {
  int idle;
};

struct task_group {
  struct cgroup_subsys_state css;
  unsigned long shares;
  struct cfs_bandwidth cfs_bandwidth;
};

/* kernel/cgroup/pids.c */
struct pids_cgroup {
  struct cgroup_subsys_state css;
  atomic64_t counter;
  atomic64_t limit;
};

enum cgroup_subsys_id___cpuset {
  cpuset_cgrp_id,
};

struct cpumask {
  unsigned long bits[1];
};

/* kernel/cgroup/cpuset.c (cpuset-internal.h since 6.12), with CONFIG_CPUSETS. A pointer with CONFIG_CPUMASK_OFFSTACK. */
struct cpuset {
  struct cgroup_subsys_state css;
  struct cpumask *effective_cpus;
};

struct cpuset___in_struct {
  struct cpumask effective_cpus[1];
};

/* include/linux/page_counter.h: pages. */
struct page_counter {
  atomic_long_t usage;
  unsigned long min;
  unsigned long max;
  unsigned long watermark;
  unsigned long failcnt;
  struct page_counter *parent;
};

/* Since 6.15; what does not set it does not count failcnt. */
struct page_counter___tracked {
  _Bool track_failcnt;
};

/* include/linux/memcontrol.h */
enum memcg_memory_event {
  MEMCG_LOW,
  MEMCG_HIGH,
  MEMCG_MAX,
  MEMCG_OOM,
  MEMCG_OOM_KILL,
  MEMCG_OOM_GROUP_KILL, /* since 5.17 */
  MEMCG_SWAP_MAX,
  MEMCG_SWAP_FAIL,
};

enum memcg_stat_item {
  MEMCG_SWAP,
  MEMCG_SOCK,
  MEMCG_PERCPU_B,
  MEMCG_KMEM,    /* since 5.18 */
  MEMCG_ZSWAP_B, /* since 5.19, as the next */
  MEMCG_ZSWAPPED,
  MEMCG_NR_STAT,
};

/* include/linux/vm_event_item.h */
enum vm_event_item {
  PGFAULT,
  PGMAJFAULT,
  PGSCAN_KSWAPD,
  PGSCAN_DIRECT,
  PGSCAN_KHUGEPAGED, /* PGSCAN_DIRECT at first, as the next */
  PGSCAN_PROACTIVE,
  PGSTEAL_KSWAPD,
  PGSTEAL_DIRECT,
  PGSTEAL_KHUGEPAGED,
  PGSTEAL_PROACTIVE,
  NR_VM_EVENT_ITEMS,
};

enum node_stat_item {
  NR_ANON_MAPPED,
  NR_FILE_PAGES,
  NR_INACTIVE_FILE,
  NR_ACTIVE_FILE,
  NR_FILE_MAPPED,
  NR_INACTIVE_ANON,
  NR_ACTIVE_ANON,
  NR_UNEVICTABLE,
  NR_SHMEM,
  NR_FILE_DIRTY,
  NR_WRITEBACK,
  NR_SLAB_RECLAIMABLE_B,
  NR_SLAB_UNRECLAIMABLE_B,
  NR_KERNEL_STACK_KB,
  NR_PAGETABLE, /* here since 5.11; by zone alone before */
  WORKINGSET_REFAULT_ANON,
  WORKINGSET_REFAULT_FILE,
};

struct mem_cgroup {
  struct cgroup_subsys_state css;
  struct page_counter memory;
  struct page_counter swap; /* v2: swap alone; v1: memory and swap, by the name of memsw */
  struct page_counter kmem; /* v1 only; these two are gone without CONFIG_MEMCG_V1 (6.11) */
  unsigned long soft_limit;
  atomic_long_t memory_events[1];
  struct mem_cgroup_per_node *nodeinfo[1];
};

/* include/linux/mmzone.h */
enum lru_list {
  LRU_INACTIVE_ANON,
  LRU_ACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_ACTIVE_FILE,
  LRU_UNEVICTABLE,
  NR_LRU_LISTS,
};

/* With CONFIG_LRU_GEN (6.1): rows of generations, in each a row of anonymous pages by zone and one of files'. Called
 * lru_gen_struct before 6.3 (391655fe08d1). */
struct lru_gen_folio {
  unsigned long nr_pages[1];
};

struct lru_gen_struct {
  unsigned long nr_pages[1];
};

struct lruvec {
  struct lru_gen_folio lrugen;
};

/* A row of lists for each zone of the node. */
struct mem_cgroup_per_node {
  struct lruvec lruvec;
  unsigned long lru_zone_size[NR_LRU_LISTS];
};

/* 5.8 to 5.12: the counters of the subtree are atomics in the struct, and each CPU keeps what it has not flushed. */
struct memcg_vmstats_percpu___in_struct {
  long stat[1];
  unsigned long events[1];
};

struct mem_cgroup___in_struct {
  atomic_long_t vmstats[1];
  atomic_long_t vmevents[1];
  struct memcg_vmstats_percpu___in_struct *vmstats_percpu;
};

/*
 * Since 5.13 (2d146aa3aa84): nothing is flushed by number, but a flush brings to `state` what each CPU counted since
 * the last one (its `state` less its `state_prev`) and what flushes of children left in `state_pending`.
 */
struct memcg_vmstats {
  long state[1];
  unsigned long events[1];
  long state_pending[1];
  unsigned long events_pending[1];
};

struct memcg_vmstats_percpu {
  long state[1];
  unsigned long events[1];
  long state_prev[1];
  unsigned long events_prev[1];
};

/* A struct in the struct at first, a pointer since 6.1. */
struct mem_cgroup___flushed_in_struct {
  struct memcg_vmstats vmstats;
  struct memcg_vmstats_percpu *vmstats_percpu;
};

struct mem_cgroup___flushed {
  struct memcg_vmstats *vmstats;
  struct memcg_vmstats_percpu *vmstats_percpu;
};

/* The cgroup that a hierarchy begins with is part of its cgroup_root. */
struct cgroup_root___first {
  struct cgroup cgrp;
};

/* What an iterator over a map's elements is called with (kernel/bpf/map_iter.c). */
struct seq_file;

struct bpf_iter_meta {
  struct seq_file *seq;
  __u64 session_id; /* of an open iterator; never given twice */
};

struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta *meta;
  void *value; /* 0 after the last element */
};

/* Block I/O of cgroups: block/blk-cgroup.h (include/linux/blk-cgroup.h before 5.18), with CONFIG_BLK_CGROUP. */

enum cgroup_subsys_id___io {
  io_cgrp_id,
};

enum css_flags___dying {
  CSS_DYING = 1 << 4, /* since its rmdir has begun */
};

struct blkcg {
  struct cgroup_subsys_state css;
  struct hlist_head blkg_list;
};

/* Rows of reads, writes and discards. */
struct blkg_iostat {
  __u64 bytes[1];
  __u64 ios[1];
};

struct blkg_iostat_set {
  struct blkg_iostat cur;
  struct blkg_iostat last;
};

/* One for each device of a cgroup, made when it, or one below it, first uses the device. */
struct blkcg_gq {
  struct request_queue *q;
  struct hlist_node blkcg_node;
  struct blkg_iostat_set *iostat_cpu;
  struct blkg_iostat_set iostat;
};

struct request_queue {
  struct backing_dev_info *backing_dev_info;
};

/* The disk has it since 5.15 (edb0872f44ec), and the queue knows its disk (d152c682f03c). */
struct request_queue___disk {
  struct gendisk *disk;
};

struct gendisk {
  struct backing_dev_info *bdi;
};

struct device {
  __u32 devt;
};

/* include/linux/backing-dev-defs.h: `owner` is the disk. */
struct backing_dev_info {
  struct device *owner;
};

/* Huge pages of cgroups: include/linux/hugetlb_cgroup.h, with CONFIG_CGROUP_HUGETLB. */

enum cgroup_subsys_id___hugetlb {
  hugetlb_cgrp_id,
};

enum hugetlb_memory_event {
  HUGETLB_MAX,
};

/* An element of `hugepage` and `events` for each size of huge pages that the machine has (struct hstate). */
struct hugetlb_cgroup {
  struct cgroup_subsys_state css;
  struct page_counter hugepage[1];
  atomic_long_t events[1];
};

/* include/linux/cgroup-defs.h: a file of a controller; arrays of them end with one that has no name. */
struct cftype {
  char name[64];
  unsigned long private;
  struct list_head node; /* of the first one of an array */
};

struct cgroup_subsys {
  struct list_head cfts;
};

struct cgroup_subsys_state___subsys {
  struct cgroup_subsys *ss;
};

/* Pressure stall information: include/linux/psi_types.h, with CONFIG_PSI. */

enum psi_states {
  PSI_IO_SOME,
  PSI_IO_FULL,
  PSI_MEM_SOME,
  PSI_MEM_FULL,
  PSI_CPU_SOME,
  PSI_CPU_FULL, /* since 5.13 (e7fcd7622823) */
  PSI_NONIDLE,
};

struct seqcount {
  unsigned int sequence;
};

/* One per CPU. times_prev has a row for each of enum psi_aggregators, PSI_AVGS first. */
struct psi_group_cpu {
  __u32 state_mask;
  __u32 times[1];
  __u64 state_start;
  __u32 times_prev[1];
};

/* `seq` is not in the struct any more since 6.17 (570c8efd5eb7) and 6.12.y. */
struct psi_group_cpu___seq {
  struct seqcount seq;
};

struct psi_group {
  struct psi_group_cpu *pcpu;
  __u64 total[1]; /* likewise, a row for PSI_AVGS first */
};

/* Off while 0 is in cgroup.pressure; since 6.1 (34f26a15611a). */
struct psi_group___switched {
  _Bool enabled;
};

/* In the struct at first, a pointer since 6.0 (5f69a6577bc3). */
struct cgroup___psi_in_struct {
  struct psi_group psi;
};

struct cgroup___psi {
  struct psi_group *psi;
};

/* include/linux/sched.h */
struct sched_info___arrival {
  unsigned long long last_arrival;
};

/* include/linux/oom.h: one attempt to find memory by a kill. */
enum oom_constraint {
  CONSTRAINT_MEMCG,
};

struct oom_control {
  struct zonelist *zonelist;
  struct mem_cgroup *memcg; /* whose limit was hit; NULL: the whole machine is out of memory */
  const int order;          /* -1: requested by hand (SysRq) */
  unsigned long totalpages;
  struct task_struct *chosen;
  enum oom_constraint constraint;
};

#pragma clang attribute pop

#endif
