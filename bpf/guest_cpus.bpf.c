// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * learn_new_cpu: the same as learn_cpu_offset (percpu.bpf.c) for CPUs that come online later. Kata hotplugs vCPUs.
 *
 * Hook:    tp_btf/cpuhp_enter: before each step of bringing a CPU up or down; most steps run on that CPU.
 * Rate:    some 100 times per CPU that comes or goes.
 * Kernels: 5.10 and later, BTF of the running kernel.
 * Without: what is counted on a CPU that was not online at start is missing.
 */
#include "bpf/percpu_learn.bpf.h"

SEC("tp_btf/cpuhp_enter")
int learn_new_cpu(void *ctx) {
  learn_this_cpu();
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
