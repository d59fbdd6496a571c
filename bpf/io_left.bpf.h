/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_IO_LEFT_BPF_H
#define KATAMETER_IO_LEFT_BPF_H

#include "bpf/kernel.h"
#include "bpf/records.h"

/*
 * cgroup v1 forgets the block I/O of a removed cgroup; here it is kept for the cgroup that it was in. v2 hands it up
 * by itself, so that nothing is added there. Declared as status_map is; sized before loading.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct io_key);
  __type(value, struct io_counts);
} io_left SEC(".maps") __weak;

/* Whether block I/O is counted in cgroup v1; set before loading. */
extern const volatile __u32 io_is_v1;

/* Adds what removed cgroups below have left. */
static __always_inline void add_io_left(__u64 cgroup_id, __u32 device, struct io_counts *counts) {
  const struct io_key key = {.cgroup_id = cgroup_id, .device = device};
  const struct io_counts *left = io_is_v1 ? bpf_map_lookup_elem(&io_left, &key) : 0;
  if (!left) return;
  for (int i = 0; i < IO_COUNTS; i++) counts->count[i] += left->count[i];
}

/*
 * A removed cgroup leaves `counts` to its parent, if that has an id. 0: there is no room. Under cgroup_mutex: nobody
 * else writes.
 */
static __always_inline int leave_io(__u64 cgroup_id, __u64 parent_id, __u32 device, const struct io_counts *counts) {
  const struct io_key own = {.cgroup_id = cgroup_id, .device = device};
  const struct io_key up = {.cgroup_id = parent_id, .device = device};
  struct io_counts sum = *counts;

  bpf_map_delete_elem(&io_left, &own);
  if (!parent_id) return 1;
  add_io_left(parent_id, device, &sum);
  return bpf_map_update_elem(&io_left, &up, &sum, BPF_ANY) == 0;
}

#endif
