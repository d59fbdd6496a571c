/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_READ_BPF_H
#define KATAMETER_READ_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/*
 * The value of a field at `address`, of 64 bits (as pointers are), 32 or 8; 0 if it cannot be read.
 *
 * With bpf_probe_read_kernel() that is a call of some 10 to 20 ns, on every kernel. With KATAMETER_DIRECT_READS it is a
 * load: bpf_rdonly_cast() (6.2, a35b9af4ec2c) makes any number a pointer, the verifier requests the call into a move, and a
 * load that faults gives 0. Such programs need the JIT (add_kfunc_call()), hence there are both.
 */
#ifdef KATAMETER_DIRECT_READS
#define READS_DIRECTLY 1

extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;

/* A type of the kernel's that begins with 64 bits that are not a pointer. */
struct task_cputime___number {
  __u64 stime;
} __attribute__((preserve_access_index));

static __always_inline const volatile void *as_number(__u64 address) {
  return bpf_rdonly_cast((const void *)address, bpf_core_type_id_kernel(struct task_cputime___number));
}

static __always_inline __u64 read_u64(__u64 address) {
  return *(const volatile __u64 *)as_number(address);
}

static __always_inline __u32 read_u32(__u64 address) {
  return *(const volatile __u32 *)as_number(address);
}

static __always_inline __u8 read_u8(__u64 address) {
  return *(const volatile __u8 *)as_number(address);
}

#else
#define READS_DIRECTLY 0

static __always_inline __u64 read_u64(__u64 address) {
  __u64 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
  return value;
}

static __always_inline __u32 read_u32(__u64 address) {
  __u32 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
  return value;
}

static __always_inline __u8 read_u8(__u64 address) {
  __u8 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
  return value;
}

#endif

/* The address of a field of what is at `address`, and of the structure whose field is at `address` (container_of()). */
#define FIELD(type, address, field) ((address) + bpf_core_field_offset(type, field))
#define CONTAINER(type, address, field) ((address)-bpf_core_field_offset(type, field))

/* The value of a field of what is at `address`, as wide as the field and unsigned. A field of another width does not
 * compile. */
#define KREAD(type, address, field)                                                                             \
  __builtin_choose_expr(                                                                                        \
      sizeof(((type *)0)->field) == sizeof(__u64), read_u64(FIELD(type, address, field)),                       \
      __builtin_choose_expr(sizeof(((type *)0)->field) == sizeof(__u32), read_u32(FIELD(type, address, field)), \
                            __builtin_choose_expr(sizeof(((type *)0)->field) == sizeof(__u8),                   \
                                                  read_u8(FIELD(type, address, field)), (void)0)))

#endif
