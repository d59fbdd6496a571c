/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_RECLAIM_BPF_H
#define KATAMETER_GUEST_RECLAIM_BPF_H

#include "bpf/guest/records.h"
#include "bpf/kernel.h"

enum {
  MAX_STALLED_CGROUPS = 1024, /* cgroups that have had a stall */
};

/* What the kernel does not keep of a memory cgroup. */
struct stall_sum {
  __u64 count; /* reclaim that its tasks, and those of cgroups below it, had to do themselves */
  __u64 ns;
  __u64 nested_kills; /* OOM kills of removed cgroups below it (v1, which forgets them) */
};

/* By kernfs id; a cgroup has an entry from its first stall until its removal. Declared as status_map is. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_STALLED_CGROUPS);
  __type(key, __u64);
  __type(value, struct stall_sum);
} stall_sums SEC(".maps") __weak;

/* Completes a record that read_memory() has filled in. */
static __always_inline void add_stall_sum(__u64 id, struct memory_record *record) {
  struct stall_sum *sum = bpf_map_lookup_elem(&stall_sums, &id);
  record->stalls = sum ? sum->count : 0;
  record->stall_ns = sum ? sum->ns : 0;
  if (sum) record->oom_kills += sum->nested_kills;
}

/* The entry of a cgroup. Adds an entry if there is none; 0: the map is full. */
static __always_inline struct stall_sum *stall_sum_of(__u64 id) {
  struct stall_sum *sum = bpf_map_lookup_elem(&stall_sums, &id);
  const struct stall_sum none = {};

  if (sum) return sum;
  /* Another CPU may have been faster; then its entry is the one. */
  bpf_map_update_elem(&stall_sums, &id, &none, BPF_NOEXIST);
  return bpf_map_lookup_elem(&stall_sums, &id);
}

static __always_inline void forget_stalls(__u64 id) {
  bpf_map_delete_elem(&stall_sums, &id);
}

#endif
