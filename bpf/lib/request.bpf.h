/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_LIB_REQUEST_BPF_H
#define KATAMETER_LIB_REQUEST_BPF_H

#include "bpf/kernel.h"
#include "bpf/lib/records.h"

/*
 * The programs that run when the host asks are iterators, and each read() of eight bytes is one run of the program, the
 * answer its result. The kernel holds rcu_read_lock() during a run. Opening and reading a pinned iterator
 * takes no capability on any kernel, whereas BPF_PROG_TEST_RUN takes CAP_BPF where unprivileged BPF is off (before 5.19).
 *
 * Each has two forms, of which one is loaded. NAME is an iterator over the array `requests`, whose values are what user
 * space requests (WALK_*), one a run. NAME_by_task is an iterator over the tasks, for a kernel that refuses iterators
 * over maps (seen: EPERM from a hardened 6.18). There the first value of the array is the request of every run.
 * The kernel calls the program once per task; the task itself is not read. A read() ends after eight bytes. Both cost 4.9 us
 * for a run of collect_memory over 63 cgroups (6.18, JIT, direct reads, 2 CPUs).
 */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, REQUESTS);
  __type(key, __u32);
  __type(value, __u64);
} requests SEC(".maps") __weak;

/* The body gets `request`, the value for this run, and its result is what the read() gives. */
#define ITER_PROGRAM(name)                                                                        \
  static __always_inline __u64 name##_run(__u64 request);                                         \
  static __always_inline int name##_answer(struct seq_file *out, __u64 *request) {                \
    if (!request) return 0;                                                                       \
    const __u64 result = name##_run(*request);                                                    \
    bpf_seq_write(out, &result, sizeof(result));                                                  \
    return 0;                                                                                     \
  }                                                                                               \
  SEC("iter/bpf_map_elem")                                                                        \
  int name(struct bpf_iter__bpf_map_elem *ctx) {                                                  \
    return name##_answer(ctx->meta->seq, ctx->value);                                             \
  }                                                                                               \
  SEC("iter/task")                                                                                \
  int name##_by_task(struct bpf_iter__task___meta *ctx) {                                         \
    const __u32 first = 0;                                                                        \
    return ctx->task ? name##_answer(ctx->meta->seq, bpf_map_lookup_elem(&requests, &first)) : 0; \
  }                                                                                               \
  static __always_inline __u64 name##_run(__u64 request)

#endif
