// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * learn_cpu_offset: where this CPU's per-CPU variables lie.
 *
 * Hook:    none. Run on each CPU that is online by BPF_PROG_TEST_RUN (raw_tp, BPF_F_TEST_RUN_ON_CPU) at start.
 * Rate:    once per CPU.
 * Costs:   1.3 us a run (bpf_stats, 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later; needs neither __per_cpu_offset in kallsyms nor bpf_map_lookup_percpu_elem (5.19).
 * Without: no per-CPU counter can be read, so neither CPU time nor rss and cache.
 *
 * learn_new_cpu: the same for CPUs that come online later. Kata hotplugs vCPUs.
 *
 * Hook:    tp_btf/cpuhp_enter: before each step of bringing a CPU up or down; most steps run on that CPU.
 * Rate:    some 100 times per CPU that comes or goes.
 * Kernels: 5.10 and later, BTF of the running kernel.
 * Without: what is counted on a CPU that was not online at start is missing.
 */
#include "bpf/lib/percpu.bpf.h"

__u64 cpu_offset[MAX_CPUS];
__u32 cpu_place[MAX_CPUS];
__u32 learned_cpus;

const volatile __u32 cpu_mask_words = 0;

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} yardstick SEC(".maps");

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
  __u64 percpu_pointer = KREAD(struct bpf_array, map_address, pptrs);
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

SEC("raw_tp")
int learn_cpu_offset(void *ctx) {
  return learn_this_cpu();
}

/* "?": loaded where it is asked for, in the guest. */
SEC("?tp_btf/cpuhp_enter")
int learn_new_cpu(void *ctx) {
  learn_this_cpu();
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
