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

/* By CPU number: the CPU's place in cpu_offset. */
extern __u32 cpu_place[MAX_CPUS];

/*
 * Notes where the running CPU's per-CPU variables lie; 1, or 0 if it could not.
 *
 * A map's value on this CPU and the __percpu pointer it was made from differ by just the offset we look for. Both are
 * pointers to the verifier, which forbids to subtract them; read back through memory they are numbers.
 *
 * Two CPUs that are learned at the same moment may write to the same place. No two have the same offset: the one that
 * was overwritten does not find its own there, and takes another place the next time this runs on it.
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
  const __u64 offset = value_address - percpu_pointer;
  const __u32 known = cpu_place[cpu];
  if (known < MAX_CPUS && known < learned_cpus && cpu_offset[known] == offset) return 1;
  const __u32 place = learned_cpus;
  if (place >= MAX_CPUS) return 0;
  cpu_offset[place] = offset;
  cpu_place[cpu] = place;
  asm volatile("" ::: "memory"); /* the entry before it counts */
  learned_cpus = place + 1;
  return 1;
}

#endif
