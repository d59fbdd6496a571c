// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * No program: what goes on while guest-probe is away, beside the rings of guest_removal and guest_oom.
 */
#include "bpf/guest_status.bpf.h"

const volatile __u64 generation = 0; /* set before loading */

/* User space's own: how far it and the host have got with the rings. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct kept_record);
} kept SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
