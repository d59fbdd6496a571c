/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_FUSE_H
#define KATAMETER_KERNEL_FUSE_H

/* What is read of the kernel's FUSE; the rules are those of kernel.h. */

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

#pragma clang attribute pop

#endif
