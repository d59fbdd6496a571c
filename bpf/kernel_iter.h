/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_ITER_H
#define KATAMETER_KERNEL_ITER_H

/* What an iterator over a map's elements is called with (kernel/bpf/map_iter.c), as kernel.h has the rest. */
#include "bpf/kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
  struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta *meta;
  void *value; /* 0 after the last element */
};

/* kernel/bpf/task_iter.c; for an iterator that writes for itself. */
struct bpf_iter__task___meta {
  struct bpf_iter_meta *meta;
  struct task_struct *task; /* 0 after the last one */
};

#pragma clang attribute pop

#endif
