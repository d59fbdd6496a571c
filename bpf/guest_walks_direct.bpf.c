// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * guest_walks.bpf.c for kernels that let a program read memory without a call (read.bpf.h): the same programs, with the
 * same results, for a third of the time.
 */
#define KATAMETER_DIRECT_READS
#include "bpf/guest_walks.bpf.c"
