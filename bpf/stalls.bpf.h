/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_STALLS_BPF_H
#define KATAMETER_STALLS_BPF_H

#include "bpf/kernel.h"
#include "bpf/records.h"

enum {
  STALLS_KEPT = 1024, /* cgroups that have had a stall */
};

/* Reclaim that the tasks of a memory cgroup, and of those below it, had to do themselves. */
struct stall_sum {
  __u64 count;
  __u64 ns;
};

/* By kernfs id; a cgroup has an entry from its first stall until its removal. Declared as status_map is. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, STALLS_KEPT);
  __type(key, __u64);
  __type(value, struct stall_sum);
} stall_sums SEC(".maps") __weak;

static __always_inline void read_stalls(__u64 id, struct memory_record *record) {
  struct stall_sum *sum = bpf_map_lookup_elem(&stall_sums, &id);
  record->stalls = sum ? sum->count : 0;
  record->stall_ns = sum ? sum->ns : 0;
}

static __always_inline void forget_stalls(__u64 id) {
  bpf_map_delete_elem(&stall_sums, &id);
}

#endif
