/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_LIB_TEXT_BPF_H
#define KATAMETER_LIB_TEXT_BPF_H

#include "bpf/lib/records.h"
#include "bpf/read.bpf.h"

/*
 * Eight characters at an address, the first one lowest. They are looked at all at once, and without a branch: the
 * verifier would follow each branch with all that it knows of the word.
 */
static __always_inline __u64 read_text(__u64 address) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return read_u64(address);
#else
  return __builtin_bswap64(read_u64(address));
#endif
}

#define EACH(byte) ((byte)*0x0101010101010101ULL)

/* The top bit of each character that is not below `least`; for characters below 0x80. */
static __always_inline __u64 not_below(__u64 text, __u64 least) {
  return ((text | EACH(0x80)) - EACH(least)) & EACH(0x80);
}

/* The top bit of each character that is a hex digit. */
static __always_inline __u64 hex_digits(__u64 text) {
  const __u64 digits = not_below(text, '0') & ~not_below(text, '9' + 1);
  const __u64 letters = not_below(text, 'a') & ~not_below(text, 'f' + 1);
  return (digits | letters) & ~text;
}

/* Whether the `count` characters at an address are those of `wanted`. */
static __always_inline int is_text(__u64 address, const char *wanted, __u32 count) {
  __u64 text = 0;

  for (__u32 i = 0; i < count; i++) text |= (__u64)wanted[i] << (8 * i);
  return ((read_text(address) ^ text) & ((1ULL << (8 * count)) - 1)) == 0;
}

/* The `CONTAINER_DIGITS` characters at an address are hex digits. */
static __always_inline int is_id(__u64 address) {
  __u64 digits = EACH(0x80);

  for (__u32 i = 0; i < CONTAINER_DIGITS / 8; i++) digits &= hex_digits(read_text(address + 8 * i));
  return digits == EACH(0x80);
}

#endif
