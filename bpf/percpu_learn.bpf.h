/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_PERCPU_LEARN_BPF_H
#define KATAMETER_PERCPU_LEARN_BPF_H

#include "bpf/percpu.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} yardstick SEC(".maps") __weak;

/*
 * Notes where the running CPU's per-CPU variables lie; 1, or 0 if it could not.
 *
 * A map's value on this CPU and the __percpu pointer it was made from differ by just the offset we look for. Both are
 * pointers to the verifier, which forbids to subtract them; read back through memory they are numbers.
 */
static __always_inline int learn_this_cpu(void) {
  __u32 zero = 0;
  void *value = bpf_map_lookup_elem(&yardstick, &zero);
  void *map = &yardstick;
  __u64 value_address = read_u64((__u64)&value);
  __u64 map_address = read_u64((__u64)&map);
  __u64 percpu_pointer = read_u64(map_address + bpf_core_field_offset(struct bpf_array, pptrs));
  __u32 cpu = bpf_get_smp_processor_id();

  if (!value || !percpu_pointer || cpu >= MAX_CPUS) return 0;
  cpu_offset[cpu] = value_address - percpu_pointer;
  return 1;
}

#endif
