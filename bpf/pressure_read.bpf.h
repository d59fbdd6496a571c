/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_PRESSURE_READ_BPF_H
#define KATAMETER_PRESSURE_READ_BPF_H

#include "bpf/cgroup.bpf.h"
#include "bpf/kernel_pressure.h"
#include "bpf/percpu.bpf.h"
#include "bpf/pressure_record.h"
#include "bpf/tasks_read.bpf.h"

/*
 * kernel/sched/psi.c: each CPU adds up how long each state held there. A read of the files, and a worker every two
 * seconds, fold that into `total` (collect_percpu_times): the mean of what the CPUs added since the last time, each
 * weighted by the ticks in which it had work. We work out what that would give, and change nothing.
 */

/* Length of a tick, ns; set before loading. */
extern const volatile __u64 tick_ns;

enum { PRESSURE_STATES = 8 }; /* room for NR_PSI_STATES */

static __always_inline int pressure_state(int pressure) {
  switch (pressure) {
    case PRESSURE_CPU_SOME: return bpf_core_enum_value(enum psi_states, PSI_CPU_SOME);
    case PRESSURE_CPU_FULL:
      if (!bpf_core_enum_value_exists(enum psi_states, PSI_CPU_FULL)) return -1;
      return bpf_core_enum_value(enum psi_states, PSI_CPU_FULL);
    case PRESSURE_MEMORY_SOME: return bpf_core_enum_value(enum psi_states, PSI_MEM_SOME);
    case PRESSURE_MEMORY_FULL: return bpf_core_enum_value(enum psi_states, PSI_MEM_FULL);
    case PRESSURE_IO_SOME: return bpf_core_enum_value(enum psi_states, PSI_IO_SOME);
  }
  return bpf_core_enum_value(enum psi_states, PSI_IO_FULL);
}

static __always_inline __u64 pressure_group(__u64 cgroup) {
  if (bpf_core_field_exists(struct cgroup___psi, psi))
    return read_u64(cgroup + bpf_core_field_offset(struct cgroup___psi, psi));
  return cgroup + bpf_core_field_offset(struct cgroup___psi_in_struct, psi);
}

/*
 * States that hold right now began at a time of the scheduler's clock, which BPF cannot ask. The running task was put
 * on its CPU a moment ago, when it was woken to read this: that time is as late as we can get.
 */
static __always_inline __u64 scheduler_time(void) {
  if (!bpf_core_field_exists(struct sched_info___arrival, last_arrival)) return 0;
  return read_u64(bpf_get_current_task() + bpf_core_field_offset(struct task_struct, sched_info) +
                  bpf_core_field_offset(struct sched_info___arrival, last_arrival));
}

#define PRESSURE_FIELD(of_cpu, field) ((of_cpu) + bpf_core_field_offset(struct psi_group_cpu, field))

static __always_inline __u32 pressure_sequence(__u64 of_cpu) {
  if (!bpf_core_field_exists(struct psi_group_cpu___seq, seq)) return 0;
  return read_u32(of_cpu + bpf_core_field_offset(struct psi_group_cpu___seq, seq));
}

/* How long each state has lasted on a CPU by now, and what of that is folded: get_recent_times(). */
static __always_inline void state_times(__u64 of_cpu, __u64 now, __u32 *times, __u32 *folded) {
  __u32 sequence = pressure_sequence(of_cpu);
  __u32 mask = read_u32(PRESSURE_FIELD(of_cpu, state_mask));
  __u64 start = read_u64(PRESSURE_FIELD(of_cpu, state_start));
  __u64 held = now > start ? now - start : 0;

  bpf_probe_read_kernel(times, PRESSURE_STATES * sizeof(__u32), (void *)PRESSURE_FIELD(of_cpu, times));
  bpf_probe_read_kernel(folded, PRESSURE_STATES * sizeof(__u32), (void *)PRESSURE_FIELD(of_cpu, times_prev));
  /* A state that ended meanwhile may be in `times` already. */
  if ((sequence & 1) || pressure_sequence(of_cpu) != sequence || read_u64(PRESSURE_FIELD(of_cpu, state_start)) != start)
    held = 0;
  for (int state = 0; state < PRESSURE_STATES; state++) times[state] += (__u32)(held * (mask >> state & 1));
}

/*
 * What a state has lasted since the last fold. That may have happened later than the time up to which we know the
 * state, and is then more than we know: nothing is new. The counters go round every 4.3 s, and are folded every 2 s.
 */
static __always_inline __u32 unfolded(__u32 time, __u32 folded) {
  __u32 since = time - folded;
  return since > 0xc0000000 ? 0 : since;
}

/* Whether the kernel counts for this group; what it has is as old as the last time that it did. */
static __always_inline int counts_pressure(__u64 group) {
  if (!bpf_core_field_exists(struct psi_group___switched, enabled)) return 1;
  return read_u8(group + bpf_core_field_offset(struct psi_group___switched, enabled)) != 0;
}

/* What the CPUs have not folded of one cgroup, while it is read. "used": see cgroup_walk.bpf.h. */
static struct {
  __u64 weighted_ns[PRESSURES];
  __u64 busy_ns;
  __u64 busy_ticks;
} unfolded_sums __attribute__((used));

static __always_inline void add_pressure(__u64 offset, __u64 per_cpu, __u64 now, __u64 unused) {
  const int busy_state = bpf_core_enum_value(enum psi_states, PSI_NONIDLE) & (PRESSURE_STATES - 1);
  __u32 times[PRESSURE_STATES] = {};
  __u32 folded[PRESSURE_STATES] = {};

  state_times(per_cpu + offset, now, times, folded);
  const __u64 ticks = unfolded(times[busy_state], folded[busy_state]) / tick_ns;
  unfolded_sums.busy_ticks += ticks;
  unfolded_sums.busy_ns += times[busy_state];
  for (int i = 0; i < PRESSURES; i++) {
    const int state = pressure_state(i) & (PRESSURE_STATES - 1);
    unfolded_sums.weighted_ns[i] += unfolded(times[state], folded[state]) * ticks; /* a state that there is not counts
                                                                                      for nothing */
  }
}

DEFINE_CPU_LOOP(pressure, add_pressure)

static __always_inline void read_pressure(__u64 cgroup, struct pressure_totals *totals) {
  __u64 group = pressure_group(cgroup);
  __u64 per_cpu = group ? read_u64(group + bpf_core_field_offset(struct psi_group, pcpu)) : 0;

  totals->kinds = 0;
  totals->busy_ns = 0;
  if (!per_cpu || !counts_pressure(group)) return;
  /* `total` first: a fold in between makes ours too small, never too large. */
  for (int i = 0; i < PRESSURES; i++) {
    int state = pressure_state(i);
    unfolded_sums.weighted_ns[i] = 0;
    if (state < 0) continue;
    totals->kinds |= 1 << i;
    totals->total_ns[i] = read_u64(group + bpf_core_field_offset(struct psi_group, total) + state * sizeof(__u64));
  }
  unfolded_sums.busy_ns = unfolded_sums.busy_ticks = 0;
  pressure_on_cpus(per_cpu, scheduler_time(), 0);
  totals->busy_ns = unfolded_sums.busy_ns;
  if (!unfolded_sums.busy_ticks) return;
  for (int i = 0; i < PRESSURES; i++) totals->total_ns[i] += unfolded_sums.weighted_ns[i] / unfolded_sums.busy_ticks;
}

#endif
