/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_HOST_STATUS_BPF_H
#define KATAMETER_HOST_STATUS_BPF_H

#include "bpf/host_records.h"
#include "bpf/kernel.h"

/* Each file that uses the map declares it; the linker makes one of them. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct host_status);
} host_status_map SEC(".maps") __weak;

static __always_inline struct host_status *host_status(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&host_status_map, &zero);
}

#endif
