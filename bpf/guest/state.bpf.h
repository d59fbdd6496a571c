/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_STATE_BPF_H
#define KATAMETER_GUEST_STATE_BPF_H

#include "bpf/guest/records.h"
#include "bpf/kernel.h"

/* Each file that uses the map declares it like this; the static linker makes one of them. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct guest_status);
} status_map SEC(".maps") __weak;

static __always_inline struct guest_status *guest_status(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&status_map, &zero);
}

/*
 * Beside the programs of an earlier load, which stay attached while guest-probe is gone, those of a new one are
 * attached; all look at status_map, and only the current generation records.
 */
extern const volatile __u64 generation;

static __always_inline int is_current(const struct guest_status *status) {
  return status->generation == generation;
}

/* Keeps the compiler from writing a record's sequence before the record. */
#define RECORD_IS_WHOLE() asm volatile("" ::: "memory")

#endif
