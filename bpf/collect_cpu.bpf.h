/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_CPU_BPF_H
#define KATAMETER_COLLECT_CPU_BPF_H

/*
 * collect_cpu: what cpuacct, cpu and pids keep of every container in one hierarchy (cgroup v1), which counts what is
 * below a cgroup with it. Controllers that are mounted together are read in one walk.
 *
 * Hook:    none. Run when the host asks (on_request.bpf.h), for the hierarchy that is asked for (WALK_*).
 * Rate:    once per snapshot and hierarchy.
 * Costs:   0.12 to 0.18 us a cgroup, 0.07 to 0.11 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          of test runs; 6.18, JIT, 2 CPUs, cpuacct alone in its hierarchy).
 * Kernels: 5.10 and later with cgroup v1.
 * Without: no container has a CPU figure, nor the number of its threads.
 */
#include "bpf/container_walk.bpf.h"
#include "bpf/cpu_read.bpf.h"
#include "bpf/on_request.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct cpu_record);
} cpu_records SEC(".maps");

static struct container_walk cpu_rows __attribute__((used));

static __always_inline void clear_cpu_row(__u32 row) {
  struct cpu_record *record = bpf_map_lookup_elem(&cpu_records, &row);
  if (record) record->id = record->usage_ns = record->kinds = 0;
}

static __always_inline void visit_cpu(struct walk *walk) {
  const int found = find_row(walk, &cpu_rows, &cpu_records);
  struct cpu_record *record = bpf_map_lookup_elem(&cpu_records, &cpu_rows.row);

  if (found == VISIT_NONE || !record) return;
  if (found == VISIT_CONTAINER) walk->leave_out = 1;
  const __u64 others = cpu_rows.row == ROW_REST ? record->usage_ns : 0;
  record->id = cpu_rows.row == ROW_REST ? 0 : cpu_rows.id;
  record->kinds = 0;
  read_cpu(css_cgroup(walk->css), record);
  record->usage_ns += others;
}

DEFINE_WALK(cpu, visit_cpu)

ON_REQUEST(collect_cpu) {
  start_rows(&cpu_rows);
  clear_cpu_row(ROW_ROOT);
  clear_cpu_row(ROW_REST);
  const int complete = cpu_walk_below(hierarchy_root(hierarchy_index(asked)));
  return row_answer(&cpu_rows, complete);
}

#endif
