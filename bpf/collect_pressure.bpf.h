/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_PRESSURE_BPF_H
#define KATAMETER_COLLECT_PRESSURE_BPF_H

/*
 * collect_pressure: how long the tasks of each container in cgroup v2 waited for CPU, memory and I/O.
 *
 * Hook:    none. Run when the host asks (on_request.bpf.h).
 * Rate:    once per snapshot.
 * Costs:   0.15 to 0.19 us a cgroup, 0.08 to 0.11 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          runs by bpf_stats; 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later with cgroup v2 and CONFIG_PSI, and without psi=0.
 * Without: there is no pressure figure.
 */
#include "bpf/container_walk.bpf.h"
#include "bpf/on_request.bpf.h"
#include "bpf/pressure_read.bpf.h"

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

ON_REQUEST(collect_pressure) {
  start_rows(&pressure_rows);
  const int complete = pressure_walk_below(css_root(unified_css()));
  return row_answer(&pressure_rows, complete);
}

#endif
