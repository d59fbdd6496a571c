/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_SCHED_BPF_H
#define KATAMETER_GUEST_SCHED_BPF_H

#include "bpf/guest/records.h"
#include "bpf/lib/container.bpf.h"

/*
 * The kernel keeps these figures per task only. A walk adds to the task's container what the task did since the walk
 * before, and the end of a task adds the rest: so a sum never falls, not while a dead task waits for RCU in no table,
 * and not when one moves, which takes its past to no other cgroup. What a task did between the last walk and a move is
 * the new cgroup's.
 */

struct sched_seen {
  __u64 start; /* start_boottime: addresses are given again */
  __u64 value[SCHED_FIGURES];
};

struct sched_sums {
  __u64 value[SCHED_FIGURES];
};

/* By the task's address: what was added of it so far. Each file that uses the maps declares them like this; the static
 * linker makes one of each. Sized before loading. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, struct sched_seen);
} sched_tasks SEC(".maps") __weak;

/* By the container's id. The ones that nothing is added to for the longest time give way. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, struct sched_sums);
} sched_cgroups SEC(".maps") __weak;

static __always_inline void read_sched(__u64 task, __u64 *value) {
  value[SCHED_RUN] = KREAD(struct sched_entity, FIELD(struct task_struct, task, se), sum_exec_runtime);
  if (bpf_core_field_exists(struct sched_info, run_delay)) {
    const __u64 info = FIELD(struct task_struct, task, sched_info);
    value[SCHED_WAIT] = KREAD(struct sched_info, info, run_delay);
    value[SCHED_PERIODS] = KREAD(struct sched_info___count, info, pcount);
  }
  if (bpf_core_field_exists(struct task_io_accounting, rchar)) {
    const __u64 io = FIELD(struct task_struct___usage, task, ioac);
    value[SCHED_READ_CALLS] = KREAD(struct task_io_accounting, io, syscr);
    value[SCHED_WRITE_CALLS] = KREAD(struct task_io_accounting, io, syscw);
    value[SCHED_CALLS_READ_BYTES] = KREAD(struct task_io_accounting, io, rchar);
    value[SCHED_CALLS_WRITTEN_BYTES] = KREAD(struct task_io_accounting, io, wchar);
  }
  value[SCHED_VOLUNTARY] = KREAD(struct task_struct___switches, task, nvcsw);
  value[SCHED_INVOLUNTARY] = KREAD(struct task_struct___switches, task, nivcsw);
}

static const struct sched_sums no_sums; /* the stack has no room for it */

/* 0 for a task of the guest system's. */
static __always_inline struct sched_sums *sums_of(__u64 task) {
  __u64 id = task_container(task);
  struct sched_sums *sums = id ? bpf_map_lookup_elem(&sched_cgroups, &id) : 0;

  if (sums || !id) return sums;
  bpf_map_update_elem(&sched_cgroups, &id, &no_sums, BPF_NOEXIST);
  return bpf_map_lookup_elem(&sched_cgroups, &id);
}

/* A task that finds `sched_tasks` full is left for later: at its end at the latest all of it is added. */
static __always_inline void account_task(__u64 task, int ends) {
  struct sched_seen *seen = bpf_map_lookup_elem(&sched_tasks, &task);
  struct sched_seen before = {};
  struct sched_seen now = {};

  now.start = KREAD(struct task_struct, task, start_boottime);
  read_sched(task, now.value);
  if (seen && seen->start == now.start) before = *seen;
  if (ends) bpf_map_delete_elem(&sched_tasks, &task);
  if (!ends && bpf_map_update_elem(&sched_tasks, &task, &now, BPF_ANY)) return;
  struct sched_sums *sums = sums_of(task);
  if (!sums) return;
  for (int i = 0; i < SCHED_FIGURES; i++)
    if (now.value[i] > before.value[i]) __sync_fetch_and_add(&sums->value[i], now.value[i] - before.value[i]);
}

/*
 * For a walk. While the task is in the table of process ids, its end is not under way, and cannot come before our RCU
 * read section is over: release_task() takes it out before it hands the rest to RCU.
 */
static __always_inline void account_living(__u64 task) {
  if (KREAD(struct task_struct, task, thread_pid)) account_task(task, 0);
}

#endif
