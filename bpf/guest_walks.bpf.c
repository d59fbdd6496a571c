// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs that walk the cgroups of a hierarchy when the host asks, in one object: libbpf's linker takes a kernel
 * function (read.bpf.h) from one only.
 */
#include "bpf/collect_cpu.bpf.h"
#include "bpf/collect_memory.bpf.h"
#include "bpf/collect_names.bpf.h"
#include "bpf/collect_pressure.bpf.h"
#include "bpf/collect_unified.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
