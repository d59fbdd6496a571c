/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_MOUNTS_BPF_H
#define KATAMETER_GUEST_MOUNTS_BPF_H

#include "bpf/guest/state.bpf.h"
#include "bpf/kernel_fuse.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/text.bpf.h"

/*
 * What the kernel counts of the file systems that are mounted in the guest:
 * - of each virtiofs, requests, and those that wait for an answer. The kernel has no file for them: fusectl leaves
 *   virtiofs out;
 * - of the pod's tmpfs volumes, pages and inodes, as statfs(2) shows them. They are mounted by the agent below
 *   /run/kata-containers/sandbox: shm, which is /dev/shm of all containers, and ephemeral/NAME, an emptyDir with the
 *   medium Memory by its name.
 *
 * Runs at the end of walk_tasks, in guest-probe's mount namespace; those of the containers are not looked at. The tree of
 * its mounts is walked without a lock: what is mounted or unmounted meanwhile can end a walk early, so that a mount is
 * missed in one snapshot. Nothing is asked of a file system, so nothing waits for a virtiofsd. 0.12 us a mount (bpf_stats,
 * 6.18, JIT, 21 mounts). 5.10 and later; where FUSE is a module without BTF there is nothing of virtiofs.
 */

enum {
  FUSE_SUPER_MAGIC = 0x65735546, /* include/uapi/linux/magic.h */
  TMPFS_MAGIC = 0x01021994,
  BOGO_INODE_SIZE = 1024, /* include/linux/shmem_fs.h */
  MOUNT_CHUNKS = 32,
  MOUNT_STEPS = 64, /* in a chunk; a mount takes one, one with others below it two: 1,000 mounts at least */
  VIRTIOFS_CONNECTIONS = 4,
  SUM_ATTEMPTS = 3,
};

struct mount_walk {
  __u64 root; /* as everywhere: an address */
  __u64 mount;
  __u32 ascending;
  __u32 done;
  __u64 connections[VIRTIOFS_CONNECTIONS]; /* counted; a virtiofsd has several mounts (--announce-submounts) */
  __u64 requests;
  __u64 waiting;
  __u64 volumes;
  __u64 pages; /* of the volume that is read */
};

/* "used" as in lib/walk.bpf.h. */
static struct mount_walk mount_walk __attribute__((used));

static __always_inline void count_connection(__u64 fc) {
  __u64 queue, waiting;

  if (bpf_core_field_exists(struct fuse_conn___chan, chan)) {
    const __u64 chan = KREAD(struct fuse_conn___chan, fc, chan);
    queue = FIELD(struct fuse_chan, chan, iq);
    waiting = KREAD(struct fuse_chan, chan, num_waiting.counter);
  } else {
    queue = FIELD(struct fuse_conn, fc, iq);
    waiting = KREAD(struct fuse_conn, fc, num_waiting.counter);
  }
  if (!KREAD(struct fuse_iqueue, queue, priv)) return; /* a server at /dev/fuse */
  for (int i = 0; i < VIRTIOFS_CONNECTIONS; i++) {
    if (mount_walk.connections[i] == fc) return;
    if (mount_walk.connections[i]) continue;
    mount_walk.connections[i] = fc;
    mount_walk.requests += KREAD(struct fuse_iqueue, queue, reqctr) / 2;
    mount_walk.waiting += waiting;
    return;
  }
}

static __always_inline void add_pages(__u64 offset, __u64 per_cpu, __u64 unused1, __u64 unused2) {
  mount_walk.pages += (__s64)(__s32)read_u32(per_cpu + offset);
}

DEFINE_CPU_LOOP(pages, add_pages)

/*
 * The pages that a tmpfs uses, into mount_walk: percpu_counter_sum(). A CPU that adds what it has to the shared count in
 * the meantime would be counted twice or not at all, so the sum is made again then. 0: it cannot be known.
 */
__weak __noinline int OWN(sum_pages)(__u64 counter) {
  if (!bpf_core_field_exists(struct percpu_counter, counters) || !learned_cpus) return 0;
  for (int i = 0; i < SUM_ATTEMPTS; i++) {
    const __u64 count = KREAD(struct percpu_counter, counter, count);
    mount_walk.pages = count;
    pages_on_cpus(KREAD(struct percpu_counter, counter, counters), 0, 0);
    if (KREAD(struct percpu_counter, counter, count) == count) break;
  }
  return 1;
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

/* The name of the volume that is mounted, "" of /dev/shm. 0: it is not a volume of the pod. */
static __always_inline int find_volume_name(__u64 mount, char *name) {
  const __u64 point = KREAD(struct mount, mount, mnt_mountpoint);
  __u64 folder = KREAD(struct dentry___parent, point, d_parent);
  const int is_shm = IS_CALLED(point, "shm") && IS_CALLED(folder, "sandbox");
  if (!is_shm) {
    if (!IS_CALLED(folder, "ephemeral")) return 0;
    folder = KREAD(struct dentry___parent, folder, d_parent);
    if (!IS_CALLED(folder, "sandbox")) return 0;
  }
  if (!IS_CALLED(KREAD(struct dentry___parent, folder, d_parent), "kata-containers")) return 0;
  name[0] = 0;
  if (!is_shm) bpf_probe_read_kernel_str(name, VOLUME_NAME_BYTES, (void *)name_of(point));
  return 1;
}

__weak __noinline int OWN(add_volume)(__u64 mount, __u64 info) {
  struct guest_status *status = guest_status();

  if (!status || !bpf_core_field_exists(struct shmem_sb_info, max_blocks)) return 0;
  struct volume_record *volume = &status->volume[mount_walk.volumes & (VOLUMES - 1)];
  if (mount_walk.volumes >= VOLUMES || !find_volume_name(mount, volume->name)) return 0;
  if (!OWN(sum_pages)(FIELD(struct shmem_sb_info, info, used_blocks))) return 0;
  volume->used_pages = mount_walk.pages;
  volume->max_pages = KREAD(struct shmem_sb_info, info, max_blocks);
  volume->max_inodes = KREAD(struct shmem_sb_info, info, max_inodes);
  volume->free_inodes = bpf_core_field_exists(struct shmem_sb_info___space, free_ispace)
                            ? KREAD(struct shmem_sb_info___space, info, free_ispace) / BOGO_INODE_SIZE
                            : KREAD(struct shmem_sb_info, info, free_inodes);
  mount_walk.volumes++;
  return 1;
}

static __always_inline void visit_mount(__u64 mount) {
  const __u64 sb = read_u64(FIELD(struct vfsmount, FIELD(struct mount, mount, mnt), mnt_sb));
  const __u64 magic = KREAD(struct super_block, sb, s_magic);

  if (magic == TMPFS_MAGIC) OWN(add_volume)(mount, KREAD(struct super_block, sb, s_fs_info));
  /* The verifier looks at the functions below also where nothing calls them. */
  if (magic != FUSE_SUPER_MAGIC || !bpf_core_field_exists(struct fuse_mount, sb)) return;
  const __u64 of_fuse = KREAD(struct super_block, sb, s_fs_info);
  if (of_fuse && KREAD(struct fuse_mount, of_fuse, sb) == sb) count_connection(KREAD(struct fuse_mount, of_fuse, fc));
}

/* As walk_advance() of lib/walk.bpf.h. */
static __always_inline void advance_mount(struct mount_walk *walk) {
  if (!walk->ascending) {
    const __u64 children = FIELD(struct mount, walk->mount, mnt_mounts);
    const __u64 child = read_u64(children);
    if (child && child != children) {
      walk->mount = CONTAINER(struct mount, child, mnt_child);
      return;
    }
  }
  const __u64 parent = KREAD(struct mount, walk->mount, mnt_parent);
  const __u64 next = read_u64(FIELD(struct mount, walk->mount, mnt_child));
  if (walk->mount == walk->root || !parent || !next) {
    walk->done = 1;
    return;
  }
  walk->ascending = next == FIELD(struct mount, parent, mnt_mounts);
  walk->mount = walk->ascending ? parent : CONTAINER(struct mount, next, mnt_child);
}

__noinline int mounts_step(void) {
  if (!mount_walk.ascending) visit_mount(mount_walk.mount);
  advance_mount(&mount_walk);
  return mount_walk.done;
}

__noinline int mounts_chunk(void) {
  for (int i = 0; i < MOUNT_STEPS; i++)
    if (mounts_step()) return 1;
  return 0;
}

/* Reads them into guest_status; `virtiofs_mounted` is 0 where there is none, or it cannot be known. */
static __always_inline void walk_mounts(void) {
  struct guest_status *status = guest_status();

  if (!status) return;
  status->virtiofs_mounted = 0;
  status->volumes = 0;
  const __u64 nsproxy = KREAD(struct task_struct, bpf_get_current_task(), nsproxy);
  const __u64 mounts = nsproxy ? KREAD(struct nsproxy, nsproxy, mnt_ns) : 0;
  mount_walk = (struct mount_walk){.root = mounts ? KREAD(struct mnt_namespace, mounts, root) : 0};
  mount_walk.mount = mount_walk.root;
  if (!mount_walk.root) return;
  for (int i = 0; i < MOUNT_CHUNKS; i++)
    if (mounts_chunk()) break;
  status->virtiofs_requests = mount_walk.requests;
  status->virtiofs_waiting = mount_walk.waiting;
  status->virtiofs_mounted = mount_walk.connections[0] != 0;
  status->volumes = mount_walk.volumes;
}

#endif
