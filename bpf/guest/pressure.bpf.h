/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_PRESSURE_BPF_H
#define KATAMETER_GUEST_PRESSURE_BPF_H

#include "bpf/guest/records.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/request.bpf.h"
#include "bpf/lib/walk.bpf.h"

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
  if (bpf_core_field_exists(struct cgroup___psi, psi)) return KREAD(struct cgroup___psi, cgroup, psi);
  return FIELD(struct cgroup___psi_in_struct, cgroup, psi);
}

/*
 * States that hold right now began at a time of the scheduler's clock, which BPF cannot ask. The running task was put
 * on its CPU a moment ago, when it was woken to read this: that time is as late as we can get.
 */
static __always_inline __u64 scheduler_time(void) {
  if (!bpf_core_field_exists(struct sched_info___arrival, last_arrival)) return 0;
  return KREAD(struct sched_info___arrival, FIELD(struct task_struct, bpf_get_current_task(), sched_info),
               last_arrival);
}

static __always_inline __u32 pressure_sequence(__u64 of_cpu) {
  if (!bpf_core_field_exists(struct psi_group_cpu___seq, seq)) return 0;
  return KREAD(struct psi_group_cpu___seq, of_cpu, seq);
}

/* How long each state has lasted on a CPU by now, and what of that is folded: get_recent_times(). */
static __always_inline void state_times(__u64 of_cpu, __u64 now, __u32 *times, __u32 *folded) {
  __u32 sequence = pressure_sequence(of_cpu);
  __u32 mask = KREAD(struct psi_group_cpu, of_cpu, state_mask);
  __u64 start = KREAD(struct psi_group_cpu, of_cpu, state_start);
  __u64 held = now > start ? now - start : 0;

  bpf_probe_read_kernel(times, PRESSURE_STATES * sizeof(__u32), (void *)FIELD(struct psi_group_cpu, of_cpu, times));
  bpf_probe_read_kernel(folded, PRESSURE_STATES * sizeof(__u32),
                        (void *)FIELD(struct psi_group_cpu, of_cpu, times_prev));
  /* A state that ended meanwhile may be in `times` already. */
  if ((sequence & 1) || pressure_sequence(of_cpu) != sequence ||
      KREAD(struct psi_group_cpu, of_cpu, state_start) != start)
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
  return KREAD(struct psi_group___switched, group, enabled) != 0;
}

/* What the CPUs have not folded of one cgroup, while it is read. "used": see lib/walk.bpf.h. */
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
    /* Of a state that this kernel does not have, nothing is used. */
    unfolded_sums.weighted_ns[i] += unfolded(times[state], folded[state]) * ticks;
  }
}

DEFINE_CPU_LOOP(pressure, add_pressure)

static __always_inline void read_pressure(__u64 cgroup, struct pressure_totals *totals) {
  __u64 group = pressure_group(cgroup);
  __u64 per_cpu = group ? KREAD(struct psi_group, group, pcpu) : 0;

  totals->kinds = 0;
  totals->busy_ns = 0;
  if (!per_cpu || !counts_pressure(group)) return;
  /* `total` first: a fold in between makes ours too small, never too large. */
  for (int i = 0; i < PRESSURES; i++) {
    int state = pressure_state(i);
    unfolded_sums.weighted_ns[i] = 0;
    if (state < 0) continue;
    totals->kinds |= 1 << i;
    totals->total_ns[i] = read_u64(FIELD(struct psi_group, group, total) + state * sizeof(__u64));
  }
  unfolded_sums.busy_ns = unfolded_sums.busy_ticks = 0;
  pressure_on_cpus(per_cpu, scheduler_time(), 0);
  totals->busy_ns = unfolded_sums.busy_ns;
  if (!unfolded_sums.busy_ticks) return;
  for (int i = 0; i < PRESSURES; i++) totals->total_ns[i] += unfolded_sums.weighted_ns[i] / unfolded_sums.busy_ticks;
}

#ifdef KATAMETER_WALKS

/*
 * collect_pressure: how long the tasks of each container in cgroup v2 waited for CPU, memory and I/O.
 *
 * Hook:    none. Run when the host asks (lib/request.bpf.h).
 * Rate:    once per snapshot.
 * Costs:   0.15 to 0.19 us a cgroup, 0.08 to 0.11 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          runs by bpf_stats; 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later with cgroup v2 and CONFIG_PSI, and without psi=0.
 * Without: there is no pressure figure.
 */

const volatile __u64 tick_ns = 1000000;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct pressure_record);
} pressure_records SEC(".maps");

static struct container_walk pressure_rows __attribute__((used));

static __always_inline void visit_pressure(struct walk *walk) {
  if (find_row(walk, &pressure_rows, &pressure_records) != VISIT_CONTAINER) return;
  walk->leave_out = 1; /* the kernel counts what is below with it */
  struct pressure_record *record = bpf_map_lookup_elem(&pressure_records, &pressure_rows.row);
  if (!record || pressure_rows.row == ROW_REST) return;
  record->id = pressure_rows.id;
  read_pressure(css_cgroup(walk->css), &record->totals);
}

DEFINE_WALK(pressure, visit_pressure)

ITER_PROGRAM(collect_pressure) {
  start_rows(&pressure_rows);
  const int complete = pressure_walk_below(css_root(unified_css()));
  return row_answer(&pressure_rows, complete);
}

#endif /* KATAMETER_WALKS */

#endif
