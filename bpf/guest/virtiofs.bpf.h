/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_VIRTIOFS_BPF_H
#define KATAMETER_GUEST_VIRTIOFS_BPF_H

#include "bpf/guest/records.h"
#include "bpf/kernel.h"

/*
 * What each container has asked of virtiofs (guest/virtiofs.bpf.c), by the kernfs id of its cgroup in the hierarchy of
 * tasks. A container has an entry from its first request until its removal. Not preallocated: most guests have few
 * containers. Declared as status_map is; sized before loading.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, struct virtiofs_sums);
} virtiofs_sums SEC(".maps") __weak;

/* Whether requests are counted; set before loading. */
extern const volatile __u32 counts_virtiofs;

#ifdef KATAMETER_WALKS

/* Rows as the walk has them; sized before loading. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct virtiofs_record);
} virtiofs_records SEC(".maps");

/* Fills in the row of a container, for the walk over the hierarchy of tasks. */
static __always_inline void read_virtiofs(__u32 row, __u64 id) {
  struct virtiofs_record *record = counts_virtiofs ? bpf_map_lookup_elem(&virtiofs_records, &row) : 0;
  const struct virtiofs_sums *sums = record ? bpf_map_lookup_elem(&virtiofs_sums, &id) : 0;

  if (!record) return;
  record->id = sums ? id : 0;
  if (sums) record->sums = *sums;
}

#endif /* KATAMETER_WALKS */

#endif
