/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_MOUNTS_BPF_H
#define KATAMETER_GUEST_MOUNTS_BPF_H

#include "bpf/guest/volumes.bpf.h"
#include "bpf/kernel_fuse.h"

/*
 * What the kernel counts of the file systems that are mounted in the guest: of each virtiofs, requests, and those that wait
 * for an answer, for which the kernel has no file (fusectl leaves virtiofs out); of what the pod writes to, what statfs(2)
 * shows (guest/volumes.bpf.h).
 *
 * Runs at the end of walk_tasks, in guest-probe's mount namespace; those of the containers are not walked. The tree of
 * its mounts is walked without a lock: what is mounted or unmounted meanwhile can end a walk early, so that a mount is
 * missed in one snapshot. Nothing is asked of a file system, so nothing waits for a virtiofsd. 0.12 us a mount (bpf_stats,
 * 6.18, JIT, 21 mounts). 5.10 and later; where FUSE is a module without BTF there is nothing of virtiofs.
 */

enum {
  FUSE_SUPER_MAGIC = 0x65735546, /* include/uapi/linux/magic.h */
  MOUNT_CHUNKS = 32,
  MOUNT_STEPS = 64, /* in a chunk; a mount takes one, one with others below it two: 1,000 mounts at least */
  VIRTIOFS_CONNECTIONS = 4,
};

struct mount_walk {
  __u64 root; /* as everywhere: an address */
  __u64 mount;
  __u32 ascending;
  __u32 done;
  __u64 connections[VIRTIOFS_CONNECTIONS]; /* counted; a virtiofsd has several mounts (--announce-submounts) */
  __u64 requests;
  __u64 waiting;
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

static __always_inline void visit_mount(__u64 mount) {
  const __u64 sb = superblock_of(mount);
  const __u64 magic = KREAD(struct super_block, sb, s_magic);

  visit_volume(mount, sb, magic);
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
  volume_walk = (struct volume_walk){};
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
  status->volumes = volume_walk.volumes;
}

#endif
