/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_VOLUMES_BPF_H
#define KATAMETER_GUEST_VOLUMES_BPF_H

#include "bpf/guest/state.bpf.h"
#include "bpf/kernel_fs.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/text.bpf.h"

/*
 * How full the file systems are that the pod writes to, as statfs(2) shows them, but from the superblock: a path would be
 * looked up through virtiofs, below which the agent mounts some, and an open file would keep one mounted.
 * - Each tmpfs that the agent mounts below /run/kata-containers/sandbox: shm, which is /dev/shm of all containers, and
 *   ephemeral/NAME, an emptyDir with the medium Memory by its name.
 * - Each ext4 and xfs that is not mounted read-only: volumes, root file systems and images on a block device.
 * - What an overlay named "rootfs" is written to, if it is one of these or a tmpfs: images that are pulled in the guest.
 * Each superblock once, by the first of its mounts that is met. Other file systems have no counters that one could read like this:
 * btrfs computes them from its block groups.
 *
 * Part of the walk of mounts (guest/mounts.bpf.h), which visits each mount. 5.10 and later; nothing of a file system that
 * is a module without BTF, or was not loaded when guest-probe started.
 */

enum {
  TMPFS_MAGIC = 0x01021994, /* include/uapi/linux/magic.h */
  EXT4_SUPER_MAGIC = 0xef53,
  XFS_SUPER_MAGIC = 0x58465342,
  OVERLAYFS_SUPER_MAGIC = 0x794c7630,
  IS_READ_ONLY = 1,       /* SB_RDONLY, include/linux/fs.h */
  BOGO_INODE_SIZE = 1024, /* include/linux/shmem_fs.h */
  SUM_ATTEMPTS = 3,
};

struct volume_walk {
  __u64 read[VOLUMES]; /* the superblocks that have a record */
  __u64 volumes;
  __u64 sum;   /* of the counter that is read */
  __u64 point; /* where read_path() is, and of which mount */
  __u64 within;
};

/* "used" as in lib/walk.bpf.h. */
static struct volume_walk volume_walk __attribute__((used));

/* 5.10's verifier forgets the bounds of what clang puts on the stack. So
 * clang has to make them anew behind this; of a pointer it keeps them. */
#define FORGET(value) asm volatile("" : "+r"(value))

static __always_inline void add_to_sum(__u64 offset, __u64 per_cpu, __u64 unused1, __u64 unused2) {
  volume_walk.sum += (__s64)(__s32)read_u32(per_cpu + offset);
}

DEFINE_CPU_LOOP(sum, add_to_sum)

/*
 * percpu_counter_sum_positive(), into volume_walk. A CPU that adds what it has to the shared count in the meantime would be
 * counted twice or not at all, so the sum is made again then.
 */
__weak __noinline int OWN(sum_counter)(__u64 counter) {
  if (!bpf_core_field_exists(struct percpu_counter, counters)) return 0;
  for (int i = 0; i < SUM_ATTEMPTS; i++) {
    const __u64 count = KREAD(struct percpu_counter, counter, count);
    volume_walk.sum = count;
    sum_on_cpus(KREAD(struct percpu_counter, counter, counters), 0, 0);
    if (KREAD(struct percpu_counter, counter, count) == count) break;
  }
  if ((__s64)volume_walk.sum < 0) volume_walk.sum = 0;
  return 1;
}

static __always_inline __u64 sum_of(__u64 counter) {
  OWN(sum_counter)(counter);
  return volume_walk.sum;
}

/* What may be below 0 because its parts were read one after the other. */
static __always_inline __u64 difference(__u64 more, __u64 less) {
  return more > less ? more - less : 0;
}

/* shmem_statfs() of mm/shmem.c. Of inodes, since 6.6, it is the room that is counted. */
static __always_inline int read_tmpfs(__u64 info, struct volume_record *volume) {
  if (!bpf_core_field_exists(struct shmem_sb_info, max_blocks)) return 0;
  volume->max_blocks = KREAD(struct shmem_sb_info, info, max_blocks);
  volume->used_blocks = sum_of(FIELD(struct shmem_sb_info, info, used_blocks));
  volume->max_inodes = KREAD(struct shmem_sb_info, info, max_inodes);
  volume->free_inodes = bpf_core_field_exists(struct shmem_sb_info___space, free_ispace)
                            ? KREAD(struct shmem_sb_info___space, info, free_ispace) / BOGO_INODE_SIZE
                            : KREAD(struct shmem_sb_info, info, free_inodes);
  return 1;
}

/* ext4_statfs() of fs/ext4/super.c. ext2 has another driver with the same magic number. */
static __always_inline int read_ext4(__u64 info, __u64 sb, struct volume_record *volume) {
  if (!bpf_core_field_exists(struct ext4_sb_info, s_sb) || KREAD(struct ext4_sb_info, info, s_sb) != sb) return 0;
  const __u64 super = KREAD(struct ext4_sb_info, info, s_es);
  const __u64 blocks = (__u64)KREAD(struct ext4_super_block, super, s_blocks_count_hi) << 32 |
                       KREAD(struct ext4_super_block, super, s_blocks_count_lo);
  const __u32 cluster_bits = KREAD(struct ext4_sb_info, info, s_cluster_bits) & 63;
  const __u64 free = sum_of(FIELD(struct ext4_sb_info, info, s_freeclusters_counter));
  const __u64 promised = sum_of(FIELD(struct ext4_sb_info, info, s_dirtyclusters_counter));

  volume->max_blocks = blocks - (KREAD(struct ext4_sb_info, info, s_overhead) << cluster_bits);
  volume->used_blocks = difference(volume->max_blocks, difference(free, promised) << cluster_bits);
  volume->max_inodes = KREAD(struct ext4_super_block, super, s_inodes_count);
  volume->free_inodes = sum_of(FIELD(struct ext4_sb_info, info, s_freeinodes_counter));
  return 1;
}

/* xfs_fs_statfs() of fs/xfs/xfs_super.c, without the limits of a project: there are as many inodes as free blocks allow. */
static __always_inline int read_xfs(__u64 mount, struct volume_record *volume) {
  const int in_array = bpf_core_field_exists(struct xfs_mount___free, m_free);

  if (!in_array && !bpf_core_field_exists(struct xfs_mount, m_fdblocks)) return 0;
  const __u64 super = FIELD(struct xfs_mount, mount, m_sb);
  __u64 reserved = KREAD(struct xfs_mount, mount, m_alloc_set_aside);
  if (bpf_core_field_exists(struct xfs_mount, m_allocbt_blks))
    reserved += KREAD(struct xfs_mount, mount, m_allocbt_blks.counter);
  const __u64 free_blocks =
      difference(sum_of(in_array ? FIELD(struct xfs_freecounter, FIELD(struct xfs_mount___free, mount, m_free), count)
                                 : FIELD(struct xfs_mount, mount, m_fdblocks)),
                 reserved);
  const __u64 inodes = sum_of(FIELD(struct xfs_mount, mount, m_icount));
  const __u64 free_inodes = sum_of(FIELD(struct xfs_mount, mount, m_ifree));
  const __u64 max_inodes = KREAD(struct xfs_mount, mount, m_ino_geo.maxicount);
  const __u64 made_inodes = KREAD(struct xfs_sb, super, sb_icount);

  volume->max_blocks = KREAD(struct xfs_sb, super, sb_dblocks);
  if (KREAD(struct xfs_sb, super, sb_logstart)) volume->max_blocks -= KREAD(struct xfs_sb, super, sb_logblocks);
  volume->used_blocks = difference(volume->max_blocks, free_blocks);
  volume->max_inodes = inodes + (free_blocks << (KREAD(struct xfs_sb, super, sb_inopblog) & 63));
  if (max_inodes && volume->max_inodes > max_inodes) volume->max_inodes = max_inodes;
  if (volume->max_inodes < made_inodes) volume->max_inodes = made_inodes;
  volume->free_inodes = difference(volume->max_inodes, difference(inodes, free_inodes));
  return 1;
}

static __always_inline __u64 parent_of(__u64 dentry) {
  return KREAD(struct dentry___parent, dentry, d_parent);
}

static __always_inline __u64 name_of(__u64 dentry) {
  return read_u64(FIELD(struct qstr, FIELD(struct dentry___parent, dentry, d_name), name));
}

/* Whether the text at an address is this one; `bytes`: with its 0. */
static __always_inline int is_name(__u64 name, const char *text, __u32 bytes) {
  for (__u32 i = 0; i < bytes; i += 4)
    if (!is_text(name + i, text + i, bytes - i < 4 ? bytes - i : 4)) return 0;
  return 1;
}

#define IS_CALLED(dentry, text) is_name(name_of(dentry), text, sizeof(text))

static __always_inline int is_in_memory_of_pod(__u64 mount) {
  const __u64 point = KREAD(struct mount, mount, mnt_mountpoint);
  __u64 folder = parent_of(point);

  if (IS_CALLED(folder, "ephemeral"))
    folder = parent_of(folder);
  else if (!IS_CALLED(point, "shm"))
    return 0;
  return IS_CALLED(folder, "sandbox") && IS_CALLED(parent_of(folder), "kata-containers");
}

/*
 * One step of the way from a mount point to the root of its namespace, with the name that was passed; volume_walk says
 * where it is. A function, because 5.10's verifier takes a loop around all of this for an endless one.
 */
__weak __noinline int OWN(climb)(__u32 index, __u32 part) {
  struct guest_status *status = guest_status();

  if (!status) return 0;
  if (volume_walk.point == KREAD(struct vfsmount, FIELD(struct mount, volume_walk.within, mnt), mnt_root)) {
    volume_walk.point = KREAD(struct mount, volume_walk.within, mnt_mountpoint);
    volume_walk.within = KREAD(struct mount, volume_walk.within, mnt_parent);
  }
  const __u64 folder = parent_of(volume_walk.point);
  const int at_root = folder == volume_walk.point;
  FORGET(index);
  FORGET(part);
  if (part < PATH_PARTS) {
    char *name = status->volume[index & (VOLUMES - 1)].path[part];
    name[0] = 0;
    if (!at_root) bpf_probe_read_kernel_str(name, PATH_PART_BYTES, (void *)name_of(volume_walk.point));
  }
  volume_walk.point = folder;
  return at_root;
}

/* The path of a mount point in the namespace of its mount. One step more than there is room for shows if it is whole. */
static __always_inline void read_path(__u64 mount, __u32 index, struct volume_record *volume) {
  volume_walk.point = KREAD(struct mount, mount, mnt_mountpoint);
  volume_walk.within = KREAD(struct mount, mount, mnt_parent);
  volume->path_is_whole = 0;
  for (__u32 i = 0; i <= PATH_PARTS; i++) {
    if (!OWN(climb)(index, i)) continue;
    volume->path_is_whole = 1;
    break;
  }
}

__weak __noinline int OWN(add_volume)(__u64 mount, __u64 sb) {
  struct guest_status *status = guest_status();
  __u64 index = volume_walk.volumes;

  if (!status || index >= VOLUMES || !learned_cpus) return 0;
  for (int i = 0; i < VOLUMES; i++)
    if (volume_walk.read[i] == sb) return 0;
  FORGET(index);
  struct volume_record *volume = &status->volume[index & (VOLUMES - 1)];
  FORGET(volume);
  const __u64 magic = KREAD(struct super_block, sb, s_magic);
  const __u64 info = KREAD(struct super_block, sb, s_fs_info);
  const int known = magic == TMPFS_MAGIC        ? read_tmpfs(info, volume)
                    : magic == EXT4_SUPER_MAGIC ? read_ext4(info, sb, volume)
                    : magic == XFS_SUPER_MAGIC  ? read_xfs(info, volume)
                                                : 0;
  if (!known) return 0;
  volume->device = magic == TMPFS_MAGIC ? 0 : KREAD(struct super_block, sb, s_dev);
  volume->block_bytes = KREAD(struct super_block, sb, s_blocksize);
  read_path(mount, index, volume);
  FORGET(index);
  volume_walk.read[index & (VOLUMES - 1)] = sb;
  volume_walk.volumes++;
  return 1;
}

static __always_inline __u64 superblock_of(__u64 mount) {
  return KREAD(struct vfsmount, FIELD(struct mount, mount, mnt), mnt_sb);
}

/* What an overlay is written to, by the mount that the overlay is in if that is of the same superblock: /run, mostly. */
__weak __noinline int OWN(add_upper)(__u64 mount, __u64 overlay) {
  if (!bpf_core_field_exists(struct ovl_fs, layers)) return 0;
  const __u64 layers = KREAD(struct ovl_fs, KREAD(struct super_block, overlay, s_fs_info), layers);
  const __u64 upper = layers ? KREAD(struct ovl_layer, layers, mnt) : 0;
  const __u64 sb = upper ? KREAD(struct vfsmount, upper, mnt_sb) : 0;
  const __u64 parent = KREAD(struct mount, mount, mnt_parent);
  return sb ? OWN(add_volume)(superblock_of(parent) == sb ? parent : mount, sb) : 0;
}

static __always_inline void visit_volume(__u64 mount, __u64 sb, __u64 magic) {
  if (magic == TMPFS_MAGIC) {
    if (is_in_memory_of_pod(mount)) OWN(add_volume)(mount, sb);
  } else if (magic == EXT4_SUPER_MAGIC || magic == XFS_SUPER_MAGIC) {
    if (!(KREAD(struct super_block, sb, s_flags) & IS_READ_ONLY)) OWN(add_volume)(mount, sb);
  } else if (magic == OVERLAYFS_SUPER_MAGIC) {
    if (IS_CALLED(KREAD(struct mount, mount, mnt_mountpoint), "rootfs")) OWN(add_upper)(mount, sb);
  }
}

#endif
