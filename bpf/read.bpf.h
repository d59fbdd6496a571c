/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_READ_BPF_H
#define KATAMETER_READ_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/* The value of a pointer-sized or 64-bit field at `address`; 0 if it cannot be read. */
static __always_inline __u64 read_u64(__u64 address) {
  __u64 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
  return value;
}

#endif
