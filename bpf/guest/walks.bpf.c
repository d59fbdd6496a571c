// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs that walk the cgroups of a hierarchy when the host asks, each in the header of its subject: collect_cpu,
 * collect_unified, collect_memory, collect_pressure, collect_names. One object has them all, for libbpf's linker takes a
 * kernel function (read.bpf.h) from one only. Other objects that read the same subjects do not define KATAMETER_WALKS.
 */
#define KATAMETER_WALKS
#include "bpf/guest/cpu.bpf.h"
#include "bpf/guest/memory.bpf.h"
#include "bpf/guest/names.bpf.h"
#include "bpf/guest/pressure.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
