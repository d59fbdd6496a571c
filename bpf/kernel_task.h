/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_TASK_H
#define KATAMETER_KERNEL_TASK_H

/* What is read of the kernel's tasks, their memory, files and numbers; the rules are those of kernel.h. */

#include "bpf/kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/mm_types_task.h: has no name in the kernel, so CO-RE cannot look it up; these since 4.5 (eca56ff906bd).
 */
enum {
  MM_FILEPAGES,
  MM_ANONPAGES,
  MM_SWAPENTS,
  MM_SHMEMPAGES,
};

/* include/linux/mm_types.h: an array of atomics until rss_stat became percpu_counters in 6.2 (f1a7941243c1). */
struct mm_rss_stat {
  atomic_long_t count[4];
};

struct mm_struct {
  struct mm_rss_stat rss_stat;
  atomic_long_t pgtables_bytes;
  unsigned long total_vm; /* pages that are mapped, touched or not */
  unsigned long arg_start;
  unsigned long arg_end;
};

struct percpu_counter {
  __s64 count;
  __s32 *counters;
};

struct mm_struct___percpu {
  struct percpu_counter rss_stat[4];
};

/* include/linux/fs.h, fdtable.h: from a task to the inodes it has open. */
struct super_block {
  __u32 s_dev;
  unsigned long s_blocksize;
  unsigned long s_flags;
  unsigned long s_magic;
  void *s_fs_info;
};

struct address_space {
  struct inode *host;
  unsigned long nrpages;
};

struct inode {
  unsigned short i_mode;
  struct super_block *i_sb;
  struct address_space *i_mapping;
  unsigned int i_nlink;
  __u64 i_blocks;
};

struct file {
  struct inode *f_inode;
  unsigned int f_mode;
  void *private_data;
};

struct fdtable {
  unsigned int max_fds;
  struct file **fd;
  unsigned long *open_fds;
};

struct files_struct {
  struct fdtable *fdt;
};

typedef struct {
  int counter;
} atomic_t;

/* include/linux/sched.h; sched_info is there with CONFIG_SCHED_INFO. */
struct sched_entity {
  __u64 sum_exec_runtime;
};

struct sched_info {
  unsigned long long run_delay;
};

/* include/linux/seqlock.h: a seqlock_t begins with its 32-bit sequence in all its forms. */
struct seqlock {
  unsigned int sequence;
};
typedef struct seqlock seqlock_t;

/* include/linux/sched/signal.h: one for a process; it lives as long as any of its tasks. */
struct signal_struct {
  atomic_t live; /* threads that have not begun to exit */
  struct list_head thread_head;
  seqlock_t stats_lock;
  unsigned long long sum_sched_runtime;
};

/* include/linux/pid.h, pid_namespace.h, idr.h, xarray.h (a radix tree is an xarray since 4.20): from a number to a
 * task. */
struct upid {
  struct pid_namespace *ns;
};

struct ns_common {
  unsigned int inum;
};

struct pid {
  unsigned int level;
  struct hlist_head tasks[1];
  struct upid numbers[1];
};

struct xa_node {
  unsigned char shift;
  void *slots[1];
};

struct xarray {
  void *xa_head;
};

struct idr {
  struct xarray idr_rt;
};

struct pid_namespace {
  struct ns_common ns;
  struct idr idr;
};

/* include/linux/cred.h, uidgid_types.h: as the initial user namespace numbers it. */
typedef struct {
  __u32 val;
} kuid_t;

struct cred {
  kuid_t uid;
};

struct task_struct {
  unsigned int flags;
  int pid;
  int tgid;
  char comm[16];
  struct css_set *cgroups;
  struct pid *thread_pid;
  struct hlist_node pid_links[1];
  struct mm_struct *mm;
  struct task_struct *group_leader;
  struct task_struct *real_parent;
  const struct cred *real_cred;
  struct signal_struct *signal;
  struct list_head thread_node;
  struct files_struct *files;
  struct nsproxy *nsproxy;
  struct sched_entity se;
  struct sched_info sched_info;
  __u64 start_boottime; /* real_start_time before 5.5 (cf25e24db61c) */
};

/* kernel/bpf/task_iter.c */
struct bpf_iter__task {
  struct task_struct *task;
};

/* kernel/bpf/task_iter.c; for an iterator that writes for itself. */
struct bpf_iter__task___meta {
  struct bpf_iter_meta *meta;
  struct task_struct *task; /* 0 after the last one */
};

/* kernel/bpf/map_iter.c: what an iterator that needs the keys is called with. */
struct bpf_iter__bpf_map_elem___key {
  struct bpf_iter_meta *meta;
  void *key;
  void *value;
};

/* include/linux/sched.h; sched_info is there with CONFIG_SCHED_INFO. */
struct sched_info___count {
  unsigned long pcount;
};

struct task_struct___switches {
  unsigned long nvcsw;
  unsigned long nivcsw;
};

/* include/linux/sched.h; exit_state is set after the task has left its cgroup's list (do_exit: cgroup_exit, then
 * exit_notify). */
struct task_struct___life {
  int exit_state;
};

/* include/linux/sched.h: `state`, a long, became `__state` in 5.14 (2f064a59a11f). */
struct task_struct___state {
  unsigned int __state;
  unsigned in_iowait : 1;
};

struct task_struct___long_state {
  long state;
};

/* include/uapi/linux/resource.h, include/linux/sched/signal.h */
struct rlimit {
  unsigned long rlim_cur;
};

struct signal_struct___limits {
  struct rlimit rlim[16];
};

/* include/linux/task_io_accounting.h; the first four with CONFIG_TASK_XACCT, the others with CONFIG_TASK_IO_ACCOUNTING. */
struct task_io_accounting {
  __u64 rchar; /* bytes that read(2) and its kind returned */
  __u64 wchar;
  __u64 syscr; /* such calls */
  __u64 syscw;
  __u64 read_bytes;
  __u64 write_bytes;
};

/* include/linux/sched.h, sched/signal.h: of one thread, and of those of a process that are dead. */
struct task_struct___usage {
  __u64 gtime;
  unsigned long min_flt;
  unsigned long maj_flt;
  struct task_io_accounting ioac;
};

struct signal_struct___usage {
  __u64 gtime;
  unsigned long min_flt;
  unsigned long maj_flt;
  struct task_io_accounting ioac;
};

/* include/linux/mm_types.h, fs.h, path.h, dcache.h: from a process to the file that it was started from. */
struct qstr {
  const unsigned char *name;
};

struct dentry {
  struct qstr d_name;
};

struct path {
  struct dentry *dentry;
};

struct file___path {
  struct path f_path;
};

struct mm_struct___program {
  struct file___path *exe_file;
};

#pragma clang attribute pop

#endif
