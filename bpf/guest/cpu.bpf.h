/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_CPU_BPF_H
#define KATAMETER_GUEST_CPU_BPF_H

#include "bpf/guest/records.h"
#include "bpf/guest/virtiofs.bpf.h"
#include "bpf/lib/cgroup.bpf.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/request.bpf.h"
#include "bpf/lib/walk.bpf.h"

/* The same in cgroup v1 and v2: what the cpu, pids and cpuset controllers keep of a cgroup. 0: the controller is not there.
 */

#define BANDWIDTH(group, field) KREAD(struct cfs_bandwidth, FIELD(struct task_group, group, cfs_bandwidth), field)

/* cpu.cfs_quota_us, cpu.cfs_period_us, cpu.shares and cpu.stat; cpu.max, cpu.weight; cpu.idle (kernel/sched/core.c). What
 * is there: CPU_*. */
static __always_inline int read_bandwidth(__u64 cgroup, struct bandwidth_record *record) {
  __u64 css = cpu_index() < 0 ? 0 : cgroup_css(cgroup, cpu_index());
  if (!css || !bpf_core_field_exists(struct task_group, cfs_bandwidth) ||
      !bpf_core_field_exists(struct task_group, shares))
    return 0;
  __u64 group = CONTAINER(struct task_group, css, css);
  record->shares = KREAD(struct task_group, group, shares);
  record->quota_ns = BANDWIDTH(group, quota);
  record->period_ns = BANDWIDTH(group, period);
  record->periods = BANDWIDTH(group, nr_periods);
  record->throttled_periods = BANDWIDTH(group, nr_throttled);
  record->throttled_ns = BANDWIDTH(group, throttled_time);
  int kinds = CPU_BANDWIDTH;
  if (bpf_core_field_exists(struct cfs_bandwidth___burst, burst_time)) {
    const __u64 bandwidth = FIELD(struct task_group, group, cfs_bandwidth);
    record->burst_periods = KREAD(struct cfs_bandwidth___burst, bandwidth, nr_burst);
    record->burst_ns = KREAD(struct cfs_bandwidth___burst, bandwidth, burst_time);
    kinds |= CPU_BURST;
  }
  if (bpf_core_field_exists(struct task_group___idle, idle)) {
    record->idle = KREAD(struct task_group___idle, group, idle);
    kinds |= CPU_IDLE;
  }
  return kinds;
}

static __always_inline __u64 pids_limit(__u64 css) {
  __u64 pids = CONTAINER(struct pids_cgroup, css, css);
  return KREAD(struct pids_cgroup, pids, limit);
}

/*
 * pids.current and pids.max (kernel/cgroup/pids.c). What "max" is in numbers depends on how large the kernel was built
 * (PID_MAX_LIMIT with CONFIG_BASE_SMALL, as in Kata's); the root has it and no other can be set there.
 */
static __always_inline int read_tasks(__u64 cgroup, struct tasks_record *record) {
  __u64 css = pids_index() < 0 ? 0 : cgroup_css(cgroup, pids_index());
  if (!css || !bpf_core_field_exists(struct pids_cgroup, counter)) return 0;
  __u64 root = KREAD(struct cgroup, cgroup, root);
  __u64 root_css = cgroup_css(FIELD(struct cgroup_root___first, root, cgrp), pids_index());
  __u64 pids = CONTAINER(struct pids_cgroup, css, css);
  record->current = KREAD(struct pids_cgroup, pids, counter);
  record->max = pids_limit(css);
  if (root_css && record->max >= pids_limit(root_css)) record->max = NO_TASKS_LIMIT;
  return 1;
}

/*
 * cpuset.cpus.effective, in v1 cpuset.effective_cpus (kernel/cgroup/cpuset.c): on how many CPUs the tasks of a cgroup may
 * run, of those that are online.
 */
static __always_inline int read_cpuset(__u64 cgroup, struct cpu_record *record) {
  __u64 css = cpuset_index() < 0 || !cpu_mask_words ? 0 : cgroup_css(cgroup, cpuset_index());
  if (!css) return 0;
  const __u64 cpuset = CONTAINER(struct cpuset, css, css);
  const __u64 mask = bpf_core_field_exists(struct cpuset, effective_cpus)
                         ? KREAD(struct cpuset, cpuset, effective_cpus)
                         : FIELD(struct cpuset___in_struct, cpuset, effective_cpus);
  __u32 cpus = 0;
  for (__u32 word = 0; word < MAX_CPUS / 64; word++)
    if (word < cpu_mask_words) cpus += __builtin_popcountll(read_u64(mask + word * sizeof(__u64)));
  record->cpuset_cpus = cpus;
  return 1;
}

#define TICKS(name) (ticks[bpf_core_enum_value(enum cpu_usage_stat, name) & 7])

/* By TIME_*, of one cgroup while it is read. "used": see lib/walk.bpf.h. */
static __u64 cpuacct_sums[TIMES] __attribute__((used));

/*
 * CPU time of a cgroup and all below it, ns: what cpuacct.usage shows (kernel/sched/cpuacct.c, cpuacct_charge), and the
 * user and system time out of which cpuacct.stat is made (cpuacct_stats_show): shown as they are, or scaled to the
 * usage since 5.17 (8c92606ab810). All values lie in the first eight places of the array, so that one read does.
 */
static __always_inline void add_cpuacct(__u64 offset, __u64 cpuusage, __u64 cpustat, __u64 unused) {
  __u64 ticks[8] = {};

  cpuacct_sums[TIME_USAGE] += read_u64(cpuusage + offset);
  if (bpf_core_type_exists(struct cpuacct_usage)) /* usages[CPUACCT_STAT_SYSTEM], after usages[CPUACCT_STAT_USER] */
    cpuacct_sums[TIME_USAGE] += read_u64(cpuusage + offset + sizeof(__u64));
  bpf_probe_read_kernel(ticks, sizeof(ticks), (void *)(cpustat + offset));
  cpuacct_sums[TIME_USER] += TICKS(CPUTIME_USER) + TICKS(CPUTIME_NICE);
  cpuacct_sums[TIME_SYSTEM] += TICKS(CPUTIME_SYSTEM) + TICKS(CPUTIME_IRQ) + TICKS(CPUTIME_SOFTIRQ);
}

DEFINE_CPU_LOOP(cpuacct, add_cpuacct)

static __always_inline void read_cpuacct(__u64 css, struct cpu_record *record) {
  __u64 usage = KREAD(struct cpuacct, css, cpuusage);
  __u64 stat = FIELD(struct kernel_cpustat, KREAD(struct cpuacct, css, cpustat), cpustat);

  cpuacct_sums[TIME_USAGE] = cpuacct_sums[TIME_USER] = cpuacct_sums[TIME_SYSTEM] = 0;
  cpuacct_on_cpus(usage, stat, 0);
  record->usage_ns = cpuacct_sums[TIME_USAGE];
  record->user_ns = cpuacct_sums[TIME_USER];
  record->system_ns = cpuacct_sums[TIME_SYSTEM];
}

/* What cputime_adjust() gave out last for a cgroup; 0 and 0 where the kernel does not scale cpuacct.stat. */
static __always_inline void shown_times(__u64 cgroup, struct cpu_record *record) {
  __u64 shown = FIELD(struct cgroup, cgroup, prev_cputime);
  record->shown_user_ns = KREAD(struct prev_cputime, shown, utime);
  record->shown_system_ns = KREAD(struct prev_cputime, shown, stime);
}

/*
 * Adds what cpuacct, cpu, pids and cpuset keep of a cgroup to its record, and to `kinds` which of them there are:
 * controllers of one hierarchy share its cgroups.
 */
static __always_inline void read_cpu(__u64 cgroup, struct cpu_record *record) {
  __u64 cpuacct = cpuacct_index() < 0 ? 0 : cgroup_css(cgroup, cpuacct_index());

  if (cpuacct) {
    record->kinds |= CPU_TIMES;
    read_cpuacct(CONTAINER(struct cpuacct, cpuacct, css), record);
    shown_times(cgroup, record);
  }
  record->kinds |= read_bandwidth(cgroup, &record->bandwidth);
  if (read_tasks(cgroup, &record->tasks)) record->kinds |= CPU_TASKS;
  if (read_cpuset(cgroup, record)) record->kinds |= CPU_CPUSET;
}

/*
 * CPU time in cgroup v2 (kernel/cgroup/rstat.c, cgroup_base_stat_flush):
 *
 *   of a cgroup with all below it = sum of flushed and pending over them all - sum of propagated over those below
 *
 * A flush moves a figure from the CPUs to the cgroup and on to its parent. Everything is read in the opposite order, so
 * that a flush in between makes the sum too small, never too large.
 */

static __always_inline void read_times(__u64 base_stat, __u64 *times) {
  __u64 cputime = FIELD(struct cgroup_base_stat, base_stat, cputime);
  times[TIME_USAGE] = KREAD(struct task_cputime, cputime, sum_exec_runtime);
  times[TIME_USER] = KREAD(struct task_cputime, cputime, utime);
  times[TIME_SYSTEM] = KREAD(struct task_cputime, cputime, stime);
}

/* The per-CPU part: its pointer, and where in it the two base stats lie. */
struct base_cpu {
  __u64 pointer;
  __u64 bstat;
  __u64 last_bstat;
};

static __always_inline struct base_cpu find_base_cpu(__u64 cgroup) {
  struct base_cpu found = {};
  if (bpf_core_field_exists(struct cgroup___base_cpu, rstat_base_cpu)) {
    found.pointer = KREAD(struct cgroup___base_cpu, cgroup, rstat_base_cpu);
    found.bstat = bpf_core_field_offset(struct cgroup_rstat_base_cpu, bstat);
    found.last_bstat = bpf_core_field_offset(struct cgroup_rstat_base_cpu, last_bstat);
  } else {
    found.pointer = KREAD(struct cgroup, cgroup, rstat_cpu);
    found.bstat = bpf_core_field_offset(struct cgroup_rstat_cpu, bstat);
    found.last_bstat = bpf_core_field_offset(struct cgroup_rstat_cpu, last_bstat);
  }
  return found;
}

/* A cgroup of cgroup v2 while it is read. */
struct unified_part {
  __u64 flushed[TIMES];    /* cgroup.bstat: of the subtree */
  __u64 propagated[TIMES]; /* cgroup.last_bstat: the part of it that the parent has got */
  __u64 pending[TIMES];    /* of this cgroup alone, not flushed yet */
  __u64 flushed_ns;        /* usage that the CPUs have flushed so far: rises with each flush */
};

/* "used": see lib/walk.bpf.h. */
static struct unified_part unified __attribute__((used));

static __always_inline void add_base_cpu(__u64 offset, __u64 pointer, __u64 bstat, __u64 last_bstat) {
  __u64 counted[TIMES];
  __u64 flushed[TIMES];

  read_times(pointer + offset + bstat, counted);
  read_times(pointer + offset + last_bstat, flushed);
  for (int i = 0; i < TIMES; i++) unified.pending[i] += counted[i] - flushed[i];
  unified.flushed_ns += flushed[TIME_USAGE];
}

DEFINE_CPU_LOOP(base_cpu, add_base_cpu)

static __always_inline void read_unified(__u64 cgroup) {
  struct base_cpu base = find_base_cpu(cgroup);

  read_times(FIELD(struct cgroup, cgroup, bstat), unified.flushed);
  read_times(FIELD(struct cgroup, cgroup, last_bstat), unified.propagated);
  for (int i = 0; i < TIMES; i++) unified.pending[i] = 0;
  unified.flushed_ns = 0;
  base_cpu_on_cpus(base.pointer, base.bstat, base.last_bstat);
}

/* What was read adds to the sum over a subtree. Below its top, what the parent has got already is in the parent's own. */
static __always_inline __u64 unified_time(int time, int nested) {
  return unified.flushed[time] + unified.pending[time] - (nested ? unified.propagated[time] : 0);
}

#ifdef KATAMETER_WALKS

/*
 * collect_cpu: what cpuacct, cpu, pids and cpuset keep of every container in one hierarchy (cgroup v1), which counts what
 * is below a cgroup with it. Controllers that are mounted together are read in one walk.
 *
 * Hook:    none. Run when the host asks (lib/request.bpf.h), for the requested hierarchy (WALK_*).
 * Rate:    once per snapshot and hierarchy.
 * Costs:   0.12 to 0.18 us a cgroup, 0.07 to 0.11 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          of test runs; 6.18, JIT, 2 CPUs, cpuacct alone in its hierarchy).
 * Kernels: 5.10 and later with cgroup v1.
 * Without: no container has a CPU figure, nor the number of its threads.
 */

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct cpu_record);
} cpu_records SEC(".maps");

static struct container_walk cpu_rows __attribute__((used));

/* Whether the walk goes through the hierarchy in which tasks are looked up. */
static __u32 cpu_walk_has_tasks __attribute__((used));

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
  if (found == VISIT_CONTAINER && cpu_walk_has_tasks) read_virtiofs(cpu_rows.row, cpu_rows.id);
}

DEFINE_WALK(cpu, visit_cpu)

ITER_PROGRAM(collect_cpu) {
  start_rows(&cpu_rows);
  clear_cpu_row(ROW_ROOT);
  clear_cpu_row(ROW_REST);
  cpu_walk_has_tasks = request == tasks_hierarchy;
  const int complete = cpu_walk_below(hierarchy_root(hierarchy_index(request)));
  return row_answer(&cpu_rows, complete);
}

/*
 * collect_unified: CPU time of every container in cgroup v2 with all that is below it, and what cpu, pids and cpuset keep
 * of it.
 *
 * Hook:    none. Run when the host asks (lib/request.bpf.h).
 * Rate:    twice per snapshot, until two runs agree (guest-probe/account/cpu.h).
 * Costs:   0.14 to 0.21 us a cgroup, 0.05 to 0.10 with direct reads (read.bpf.h), of 1 to 1,000 cgroups (the fastest
 *          runs by bpf_stats; 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later with cgroup v2.
 * Without: in a guest with cgroup v2 no container has a CPU figure, nor the number of its threads.
 */

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

static __always_inline __u64 check_unified(__u64 check) {
  check = add_check(check, unified.flushed_ns);
  for (int i = 0; i < TIMES; i++) check = add_check(add_check(check, unified.flushed[i]), unified.propagated[i]);
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
  record->descendants =
      KREAD(struct cgroup, cgroup, nr_descendants) + KREAD(struct cgroup, cgroup, nr_dying_descendants);
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
  if (found == VISIT_CONTAINER && unified_rows.row != ROW_REST) {
    begin_unified(cgroup, record);
    read_virtiofs(unified_rows.row, unified_rows.id);
  }
  if (found == VISIT_NESTED) record->nested++;
  record->cpu.usage_ns += unified_time(TIME_USAGE, found == VISIT_NESTED);
  record->cpu.user_ns += unified_time(TIME_USER, found == VISIT_NESTED);
  record->cpu.system_ns += unified_time(TIME_SYSTEM, found == VISIT_NESTED);
  record->check = check_unified(record->check);
}

DEFINE_WALK(unified, visit_unified)

ITER_PROGRAM(collect_unified) {
  start_rows(&unified_rows);
  clear_unified_row(ROW_ROOT);
  clear_unified_row(ROW_REST);
  const int complete = unified_walk_below(css_root(unified_css()));
  return row_answer(&unified_rows, complete);
}

#endif /* KATAMETER_WALKS */

#endif
