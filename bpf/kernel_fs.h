/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_FS_H
#define KATAMETER_KERNEL_FS_H

/* What is read of the kernel's mounts and file systems; the rules are those of kernel.h. */

#include "bpf/kernel_task.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* The mounts of a task's namespace, as a tree: include/linux/nsproxy.h, mount.h, fs/mount.h. */
struct nsproxy {
  struct mnt_namespace *mnt_ns;
};

struct mnt_namespace {
  struct mount *root;
};

struct vfsmount {
  struct dentry___parent *mnt_root;
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

/* fs/ext4/ext4.h. Clusters are blocks unless the file system was made with the feature bigalloc. */
struct ext4_super_block {
  __u32 s_inodes_count; /* little-endian, as all of it */
  __u32 s_blocks_count_lo;
  __u32 s_blocks_count_hi;
};

struct ext4_sb_info {
  unsigned long s_overhead; /* clusters that hold no file */
  unsigned int s_cluster_bits;
  struct ext4_super_block *s_es;
  struct super_block *s_sb;
  struct percpu_counter s_freeclusters_counter;
  struct percpu_counter s_freeinodes_counter;
  struct percpu_counter s_dirtyclusters_counter; /* promised to what is not written yet */
};

/* fs/xfs/libxfs/xfs_format.h, xfs_shared.h, fs/xfs/xfs_mount.h */
struct xfs_sb {
  __u64 sb_dblocks;
  __u64 sb_logstart; /* 0: the log is on another device */
  __u32 sb_logblocks;
  __u8 sb_inopblog;
  __u64 sb_icount;
};

struct xfs_ino_geometry {
  __u64 maxicount;
};

struct xfs_mount {
  struct xfs_sb m_sb;
  unsigned int m_alloc_set_aside;
  struct xfs_ino_geometry m_ino_geo;
  struct percpu_counter m_icount;
  struct percpu_counter m_ifree;
  struct percpu_counter m_fdblocks;
  atomic64_t m_allocbt_blks; /* not in 5.10 */
};

/* Where m_fdblocks was, in 6.18: one of several, of which XC_FREE_BLOCKS is the first. */
struct xfs_freecounter {
  struct percpu_counter count;
};

struct xfs_mount___free {
  struct xfs_freecounter m_free[1];
};

/* fs/overlayfs/ovl_entry.h: the first layer is the one that is written to, or has no mount. */
struct ovl_layer {
  struct vfsmount *mnt;
};

struct ovl_fs {
  struct ovl_layer *layers;
};

#pragma clang attribute pop

#endif
