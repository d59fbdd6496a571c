/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_LIB_PERCPU_BPF_H
#define KATAMETER_LIB_PERCPU_BPF_H

#include "bpf/kernel.h"
#include "bpf/lib/records.h"

/*
 * OWN(name): a global function that a header defines for each object that includes it. Global names are those of the
 * whole program that objects are linked to, and each object has to have its own function: it works on static variables,
 * and programs of two objects may run at the same time. KATAMETER_OBJECT is the source's name (CMakeLists.txt).
 */
#define OWN_PASTE(object, name) object##_##name
#define OWN_OF(object, name) OWN_PASTE(object, name)
#define OWN(name) OWN_OF(KATAMETER_OBJECT, name)

/*
 * Where each CPU's own copy of a per-CPU variable lies, relative to the pointer that the kernel keeps. Only CPUs that
 * learn_cpu_offset (lib/percpu.bpf.c) or learn_new_cpu has run on have an entry, without gaps: a CPU that was never online
 * has nothing to add and costs nothing. A CPU that goes offline keeps its entry, for the kernel keeps its counters.
 */
extern __u64 cpu_offset[MAX_CPUS];
extern __u32 learned_cpus; /* entries in use */

/* How long a mask of CPUs is, in words of 64: a kernel may not have allocated more. Set before loading; 0: its CPUs have
 * numbers that are too high. */
extern const volatile __u32 cpu_mask_words;

enum {
  CPU_ROW = 32, /* MAX_CPUS is a multiple */
};

/*
 * Defines NAME_on_cpus(a, b, c), which calls body(offset, a, b, c) for every learned CPU. The body is a global function,
 * and so is the loop over a row of CPUs. The verifier checks a global function once, however many calls there are. So no
 * program's instruction count depends on the number of CPUs. (One loop over all takes 5.10's verifier a time that grows
 * with the square of its length.) "weak" keeps clang from passing nothing for what a body does not use.
 */
#define DEFINE_CPU_LOOP(NAME, body)                                                  \
  __weak __noinline int OWN(NAME##_on_cpu)(__u32 place, __u64 a, __u64 b, __u64 c) { \
    if (place >= MAX_CPUS) return 1;                                                 \
    body(cpu_offset[place], a, b, c);                                                \
    return 0;                                                                        \
  }                                                                                  \
  __weak __noinline int OWN(NAME##_on_row)(__u32 row, __u64 a, __u64 b, __u64 c) {   \
    for (__u32 i = 0; i < CPU_ROW; i++) {                                            \
      const __u32 place = row * CPU_ROW + i;                                         \
      if (place >= learned_cpus) return 1;                                           \
      OWN(NAME##_on_cpu)(place, a, b, c);                                            \
    }                                                                                \
    return 0;                                                                        \
  }                                                                                  \
  static __always_inline void NAME##_on_cpus(__u64 a, __u64 b, __u64 c) {            \
    for (__u32 row = 0; row < MAX_CPUS / CPU_ROW; row++)                             \
      if (OWN(NAME##_on_row)(row, a, b, c)) break;                                   \
  }

#endif
