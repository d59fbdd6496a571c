/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_COLLECT_UNIFIED_BPF_H
#define KATAMETER_COLLECT_UNIFIED_BPF_H

/*
 * collect_unified: CPU time of every container in cgroup v2 with all that is below it, and what cpu and pids keep of it.
 *
 * Hook:    none. Run when the host asks (on_request.bpf.h).
 * Rate:    twice per snapshot, until two runs agree (guest-probe/account/unified_account.h).
 * Costs:   0.14 to 0.21 us a cgroup, 0.05 to 0.10 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          runs by bpf_stats; 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later with cgroup v2.
 * Without: in a guest with cgroup v2 no container has a CPU figure, nor the number of its threads.
 */
#include "bpf/container_walk.bpf.h"
#include "bpf/cpu_read.bpf.h"
#include "bpf/on_request.bpf.h"
#include "bpf/unified_read.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct unified_record);
} unified_records SEC(".maps");

static struct container_walk unified_rows __attribute__((used));

static __always_inline void clear_unified_row(__u32 row) {
  struct unified_record *record = bpf_map_lookup_elem(&unified_records, &row);
  if (record) record->cpu.id = record->cpu.usage_ns = record->cpu.kinds = 0;
}

/* Of a cgroup below the container's, what the parent has got already is in the parent's own. */
static __always_inline __u64 unified_time(int time, int nested) {
  return unified.flushed[time] + unified.pending[time] - (nested ? unified.handed_up[time] : 0);
}

static __always_inline __u64 check_unified(__u64 check) {
  check = add_check(check, unified.taken_ns);
  for (int i = 0; i < TIMES; i++) check = add_check(add_check(check, unified.flushed[i]), unified.handed_up[i]);
  return check;
}

static __always_inline void begin_unified(__u64 cgroup, struct unified_record *record) {
  record->cpu.id = unified_rows.id;
  record->cpu.kinds = 0;
  read_cpu(cgroup, &record->cpu);
  record->cpu.kinds |= CPU_TIMES | CPU_UNIFIED;
  record->cpu.usage_ns = record->cpu.user_ns = record->cpu.system_ns = 0;
  shown_times(cgroup, &record->cpu);
  record->check = 0;
  record->nested = 0;
  record->descendants = read_u32(cgroup + bpf_core_field_offset(struct cgroup, nr_descendants)) +
                        read_u32(cgroup + bpf_core_field_offset(struct cgroup, nr_dying_descendants));
}

static __always_inline void visit_unified(struct walk *walk) {
  const int found = find_row(walk, &unified_rows, &unified_records);
  struct unified_record *record = bpf_map_lookup_elem(&unified_records, &unified_rows.row);
  const __u64 cgroup = css_cgroup(walk->css);

  if (found == VISIT_NONE || !record) return;
  if (found == VISIT_ROOT) {
    read_cpu(cgroup, &record->cpu);
    record->cpu.kinds |= CPU_UNIFIED;
    return;
  }
  read_unified(cgroup);
  if (found == VISIT_CONTAINER && unified_rows.row != ROW_REST) begin_unified(cgroup, record);
  if (found == VISIT_NESTED) record->nested++;
  record->cpu.usage_ns += unified_time(TIME_USAGE, found == VISIT_NESTED);
  record->cpu.user_ns += unified_time(TIME_USER, found == VISIT_NESTED);
  record->cpu.system_ns += unified_time(TIME_SYSTEM, found == VISIT_NESTED);
  record->check = check_unified(record->check);
}

DEFINE_WALK(unified, visit_unified)

ON_REQUEST(collect_unified) {
  start_rows(&unified_rows);
  clear_unified_row(ROW_ROOT);
  clear_unified_row(ROW_REST);
  const int complete = unified_walk_below(css_root(unified_css()));
  return row_answer(&unified_rows, complete);
}

#endif
