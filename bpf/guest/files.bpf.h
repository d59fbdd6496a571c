/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_FILES_BPF_H
#define KATAMETER_GUEST_FILES_BPF_H

#include "bpf/guest/records.h"
#include "bpf/kernel_task.h"

/*
 * Open files of a process and how many of them are sockets: what /proc/PID/fd lists. Threads share the table of their
 * process, which is read once. The kernel frees a table and what is in it after a grace period of RCU, and the iterator
 * holds rcu_read_lock().
 *
 * The table is a bitmap of descriptors in words of 64, and an array of files. The loops are functions as in lib/walk.bpf.h.
 */
enum {
  FILE_CHUNKS = 32,
  FILE_WORDS = 32, /* in a chunk; so at most 65,536 descriptors of a process */
};

/* The table that is being read. "used": see lib/walk.bpf.h. */
static struct {
  __u64 bitmap;
  __u64 array;
  __u32 words;
  __u32 word;
  __u32 descriptors;
  __u32 sockets;
} open_files __attribute__((used));

#define S_IFMT 0170000 /* include/uapi/linux/stat.h, as the next */
#define S_IFSOCK 0140000
#define FMODE_PATH 0x4000 /* include/linux/fs.h: O_PATH, which opens the name of a socket, and no socket */

static __always_inline int is_socket(__u64 file) {
  const __u64 inode = KREAD(struct file, file, f_inode);
  __u16 mode = 0;

  bpf_probe_read_kernel(&mode, sizeof(mode), (void *)FIELD(struct inode, inode, i_mode));
  return (mode & S_IFMT) == S_IFSOCK && !(KREAD(struct file, file, f_mode) & FMODE_PATH);
}

__noinline int count_file_word(void) {
  __u64 bits = read_u64(open_files.bitmap + open_files.word * sizeof(__u64));

  open_files.descriptors += __builtin_popcountll(bits);
  const __u64 files = open_files.array + (__u64)open_files.word * 64 * sizeof(void *);
  for (__u32 i = 0; i < 64 && bits; i++, bits >>= 1) {
    if (!(bits & 1)) continue;
    const __u64 file = read_u64(files + i * sizeof(void *));
    if (file && is_socket(file)) open_files.sockets++;
  }
  return ++open_files.word >= open_files.words;
}

__noinline int count_file_chunk(void) {
  for (int i = 0; i < FILE_WORDS; i++)
    if (count_file_word()) return 1;
  return 0;
}

/* Counts into `open_files` what a table has; 0: there are more descriptors than are read. */
__noinline int count_files(__u64 files) {
  const __u64 table = KREAD(struct files_struct, files, fdt);

  open_files.descriptors = open_files.sockets = open_files.word = 0;
  open_files.words = KREAD(struct fdtable, table, max_fds) / 64;
  open_files.bitmap = KREAD(struct fdtable, table, open_fds);
  open_files.array = KREAD(struct fdtable, table, fd);
  for (int i = 0; i < FILE_CHUNKS; i++)
    if (count_file_chunk()) return 1;
  return 0;
}

/* Adds those of a process to its container's. One that has ended, and waits to be reaped, has no table. */
static __always_inline void add_files(__u64 task, struct container_tasks *sums) {
  const __u64 files = KREAD(struct task_struct, task, files);

  if (!files) return;
  if (!count_files(files)) sums->descriptors = DESCRIPTORS_UNKNOWN;
  if (sums->descriptors == DESCRIPTORS_UNKNOWN) return;
  sums->descriptors += open_files.descriptors;
  sums->sockets += open_files.sockets;
}

#endif
