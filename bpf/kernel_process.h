/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_PROCESS_H
#define KATAMETER_KERNEL_PROCESS_H

#include "bpf/kernel.h"

/* What the host's programs read of a process beside kernel.h. */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/task_io_accounting.h; there with CONFIG_TASK_IO_ACCOUNTING. */
struct task_io_accounting {
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
