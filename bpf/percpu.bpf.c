// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * learn_cpu_offset: where this CPU's per-CPU variables lie.
 *
 * Hook:    none. Run on each CPU by BPF_PROG_TEST_RUN (raw_tp, BPF_F_TEST_RUN_ON_CPU) at start and when one comes
 *          online.
 * Rate:    once per CPU.
 * Costs:   1.3 us a run (bpf_stats, 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later; needs neither __per_cpu_offset in kallsyms nor bpf_map_lookup_percpu_elem (5.19).
 * Without: no per-CPU counter can be read, so neither CPU time nor rss and cache.
 */
#include "bpf/percpu.bpf.h"

const volatile __u32 cpus = 1;
__u64 cpu_offset[MAX_CPUS];

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} yardstick SEC(".maps");

/*
 * A map's value on this CPU and the __percpu pointer it was made from differ by just the offset we look for. Both are
 * pointers to the verifier, which forbids to subtract them; read back through memory they are numbers.
 */
SEC("raw_tp")
int learn_cpu_offset(void *ctx) {
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
