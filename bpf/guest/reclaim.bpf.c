// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Direct reclaim: how often, and for how long, a task that wanted memory had to free some first. kswapd's work in the
 * background is not in it. Charged to the task's memory cgroup and all above it as the stall ends, so that what a
 * nested cgroup had stays with its container when it is removed.
 *
 * Hook:    tp_btf/mm_vmscan_memcg_reclaim_begin and _end (mm/vmscan.c: a cgroup is at its limit, above memory.high, or
 *          is asked to shrink), tp_btf/mm_vmscan_direct_reclaim_begin and _end (the guest has no free pages).
 * Rate:    both once per reclaim, which scans at least 32 pages; never while memory is plenty.
 * Costs:   0.7 us a begin and 1.4 us an end, for a cgroup just below the root (bpf_stats, 6.18, JIT, 2 busy CPUs).
 * Kernels: 5.10 and later, with the tracepoints in BTF.
 * Without: memory_stalls and memory_stall_ns are absent.
 */
#include "bpf/guest/reclaim.bpf.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/lib/cgroup.bpf.h"

enum {
  STALL_LEVELS = 16, /* a task's memory cgroup and those above it */
};

/* When the reclaim began that a thread is in. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 512);
  __type(key, __u32);
  __type(value, __u64);
} stalled_since SEC(".maps");

static __always_inline int begin_stall(void) {
  __u32 thread = bpf_get_current_pid_tgid();
  __u64 now = bpf_ktime_get_ns();
  struct guest_status *status = guest_status();

  if (bpf_map_update_elem(&stalled_since, &thread, &now, BPF_ANY) && status)
    __sync_fetch_and_add(&status->stalls_lost, 1);
  return 0;
}

/* A function of its own, so that the verifier goes through it once and not once a level. */
__weak __noinline int add_stall(__u64 id, __u64 ns) {
  struct stall_sum *sum = stall_sum_of(id);

  if (!sum) return 0;
  __sync_fetch_and_add(&sum->count, 1);
  __sync_fetch_and_add(&sum->ns, ns);
  return 1;
}

static __always_inline int end_stall(void) {
  __u32 thread = bpf_get_current_pid_tgid();
  __u64 *since = bpf_map_lookup_elem(&stalled_since, &thread);
  struct guest_status *status = guest_status();
  int all_added = 1;

  if (!since || !status || memory_index() < 0) return 0;
  __u64 ns = bpf_ktime_get_ns() - *since;
  bpf_map_delete_elem(&stalled_since, &thread);
  if (!is_current(status)) return 0;
  __u64 css = task_css(bpf_get_current_task(), memory_index());
  for (int level = 0; level < STALL_LEVELS && css; level++) {
    if (!add_stall(kernfs_id(css_kernfs_node(css)), ns)) all_added = 0;
    css = css_parent(css);
  }
  if (!all_added) __sync_fetch_and_add(&status->stalls_lost, 1);
  return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int memcg_reclaim_begin(void *ctx) {
  return begin_stall();
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int memcg_reclaim_end(void *ctx) {
  return end_stall();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int direct_reclaim_begin(void *ctx) {
  return begin_stall();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int direct_reclaim_end(void *ctx) {
  return end_stall();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
