/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_FUSE_H
#define KATAMETER_KERNEL_FUSE_H

/* What is read of the kernel's mounts, tmpfs and FUSE; the rules are those of kernel.h. */

#include "bpf/kernel_task.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* FUSE requests, of which virtiofs's are some: fs/fuse/fuse_i.h, include/uapi/linux/fuse.h. */

struct fuse_in_header {
  __u32 len;
  __u32 opcode;
};

struct fuse_out_header {
  __u32 len;
  __s32 error;
};

struct fuse_arg {
  unsigned int size;
};

struct fuse_args {
  struct fuse_arg out_args[1];
};

/* Older kernels have struct page **pages. */
struct fuse_args_pages {
  struct fuse_args args;
  struct folio **folios;
};

/* `priv`: the struct virtio_fs of a virtiofs mount; NULL for one of /dev/fuse. */
struct fuse_iqueue {
  __u64 reqctr; /* twice the number of requests: fuse_get_unique() */
  void *priv;
};

struct fuse_conn {
  struct fuse_iqueue iq;
  struct {
    int counter;
  } num_waiting;
};

struct fuse_mount {
  struct fuse_conn *fc;
  struct super_block *sb;
};

struct fuse_req {
  struct fuse_args *args;
  struct {
    struct fuse_in_header h;
  } in;
  struct {
    struct fuse_out_header h;
  } out;
  struct fuse_mount *fm;
};

/* The place of the queue and of the requests that wait since 7.3. */
struct fuse_chan {
  struct fuse_iqueue iq;
  struct {
    int counter;
  } num_waiting;
};

struct fuse_conn___chan {
  struct fuse_chan *chan;
};

struct fuse_req___chan {
  struct fuse_chan *chan;
};

/* include/linux/mm_types.h: the low bits are flags (enum page_memcg_data_flags). */
struct folio {
  unsigned long memcg_data;
};

/* include/linux/memcontrol.h: what memcg_data of a page cache page points at in 7.x. */
struct obj_cgroup {
  struct mem_cgroup *memcg;
};

/* The mounts of a task's namespace, as a tree: include/linux/nsproxy.h, mount.h, fs/mount.h. */
struct nsproxy {
  struct mnt_namespace *mnt_ns;
};

struct mnt_namespace {
  struct mount *root;
};

struct vfsmount {
  struct super_block *mnt_sb;
};

struct mount {
  struct mount *mnt_parent;
  struct dentry___parent *mnt_mountpoint;
  struct vfsmount mnt;
  struct list_head mnt_mounts;
  struct list_head mnt_child;
};

/* include/linux/dcache.h */
struct dentry___parent {
  struct dentry___parent *d_parent;
  struct qstr d_name;
};

/* include/linux/shmem_fs.h: pages and inodes. A tmpfs without a limit does not count; max_blocks is 0 then. */
struct shmem_sb_info {
  unsigned long max_blocks;
  struct percpu_counter used_blocks;
  unsigned long max_inodes;
  unsigned long free_inodes;
};

/* Room for inodes in bytes, of which each takes BOGO_INODE_SIZE, is what is counted since 6.6. */
struct shmem_sb_info___space {
  unsigned long free_ispace;
};

#pragma clang attribute pop

#endif
