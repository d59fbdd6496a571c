/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The floor: a program on every context switch that does nothing. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_switch")
int on_switch(void *ctx) {
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
