// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * host_processes.bpf.c for kernels that let a program read memory without a call (read.bpf.h): the same program, with the
 * same results, for less than half of the time.
 */
#define KATAMETER_DIRECT_READS
#include "bpf/host_processes.bpf.c"
