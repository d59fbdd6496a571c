/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_ON_REQUEST_BPF_H
#define KATAMETER_ON_REQUEST_BPF_H

#include "bpf/kernel_iter.h"
#include "bpf/records.h"

/*
 * The programs that run when the host asks are iterators over the array `turns`. Its values are what user space asks
 * for (WALK_*), and each read() of eight bytes is one turn: one run of the program, the answer its result. The kernel
 * holds rcu_read_lock() during a turn. Opening and reading a pinned iterator takes no capability on any kernel, whereas
 * BPF_PROG_TEST_RUN takes CAP_BPF where unprivileged BPF is off (before 5.19).
 */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, TURNS);
  __type(key, __u32);
  __type(value, __u64);
} turns SEC(".maps") __weak;

/* The body gets `asked`, the value of this turn, and its result is what the read() gives. */
#define ON_REQUEST(name)                                    \
  static __always_inline __u64 name##_turn(__u64 asked);    \
  SEC("iter/bpf_map_elem")                                  \
  int name(struct bpf_iter__bpf_map_elem *ctx) {            \
    const __u64 *asked = ctx->value;                        \
    if (!asked) return 0;                                   \
    const __u64 result = name##_turn(*asked);               \
    bpf_seq_write(ctx->meta->seq, &result, sizeof(result)); \
    return 0;                                               \
  }                                                         \
  static __always_inline __u64 name##_turn(__u64 asked)

#endif
