// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * note_victim, note_victim_pid: who was chosen by the OOM killer, how full its cgroup was, and whose limit was hit.
 *
 * Hook:    tp_btf/mark_victim (mm/oom_kill.c, mark_oom_victim; oom_lock and the victim's task lock are held).
 * Rate:    once per kill.
 * Costs:   36 us a kill, the search of the stack included (bpf_stats, 6.18, JIT, 2 busy CPUs).
 * Kernels: 5.10 and later. The tracepoint hands over the task in 5.10.235 and later of 5.10.y and since 6.9
 *          (72ba14deb40a), a process id before. User space looks at the argument's type in BTF and loads one of
 *          the two.
 * Without: kills are still counted (memory_events[MEMCG_OOM_KILL]), but there are no events.
 */
#include "bpf/cgroup.bpf.h"
#include "bpf/guest_status.bpf.h"
#include "bpf/oom_class.bpf.h"
#include "bpf/task_of_pid.bpf.h"

/* A ring; oom_lock makes these programs its only writers. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, OOM_KEPT);
  __type(key, __u32);
  __type(value, struct oom_record);
} oom_events SEC(".maps");

/* Wakes user space; where it is full, user space has been woken and has not looked yet. */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} oom_bell SEC(".maps");

static __always_inline __u64 rss_pages(__u64 mm, int member) {
  __s64 pages;
  if (bpf_core_field_exists(struct mm_struct___percpu, rss_stat)) {
    pages = read_u64(mm + bpf_core_field_offset(struct mm_struct___percpu, rss_stat) +
                     member * bpf_core_type_size(struct percpu_counter) +
                     bpf_core_field_offset(struct percpu_counter, count));
  } else {
    pages = read_u64(mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
                     bpf_core_field_offset(struct mm_rss_stat, count) + member * sizeof(atomic_long_t));
  }
  return pages < 0 ? 0 : pages; /* a CPU may have taken away more than it has handed in */
}

static __always_inline void name_levels(__u64 css, struct oom_record *record) {
  record->names = 0;
  for (int level = 0; level < OOM_NAMES; level++) {
    __u64 parent = css_parent(css);
    if (!parent) /* the root has no name */
      return;
    copy_kernfs_name(css_kernfs_node(css), record->name[level]);
    record->names = level + 1;
    css = parent;
  }
}

static __always_inline int note_task(void *ctx, __u64 task) {
  struct guest_status *status = guest_status();
  __u64 memcg = memory_index() < 0 ? 0 : task_css(task, memory_index());
  __u64 mm = read_u64(task + bpf_core_field_offset(struct task_struct, mm));
  struct oom_record *record;
  __u64 sequence;
  __u32 slot;

  if (!status || !is_current(status)) return 0;
  sequence = status->oom_events + 1;
  slot = sequence % OOM_KEPT;
  record = bpf_map_lookup_elem(&oom_events, &slot);
  if (!record) return 0;
  record->sequence = 0;
  RECORD_IS_WHOLE();
  record->boottime_ns = bpf_ktime_get_boot_ns();
  record->cgroup_id = kernfs_id(css_kernfs_node(memcg));
  record->anon_pages = rss_pages(mm, MM_ANONPAGES);
  record->file_pages = rss_pages(mm, MM_FILEPAGES);
  record->shmem_pages = rss_pages(mm, MM_SHMEMPAGES);
  record->usage_pages = page_counter_usage(memcg);
  record->limit_pages = page_counter_limit(memcg);
  record->victim_tgid = 0;
  bpf_probe_read_kernel(&record->victim_tgid, sizeof(__u32),
                        (void *)(task + bpf_core_field_offset(struct task_struct, tgid)));
  bpf_probe_read_kernel(record->comm, COMM_BYTES, (void *)(task + bpf_core_field_offset(struct task_struct, comm)));
  name_levels(memcg, record);
  classify_oom(ctx, memcg, record);
  RECORD_IS_WHOLE();
  record->sequence = sequence;
  RECORD_IS_WHOLE();
  status->oom_events = sequence;
  bpf_ringbuf_output(&oom_bell, &sequence, sizeof(sequence), BPF_RB_FORCE_WAKEUP);
  return 0;
}

SEC("tp_btf/mark_victim")
int BPF_PROG(note_victim, struct task_struct *victim) {
  return note_task(ctx, (__u64)victim);
}

SEC("tp_btf/mark_victim")
int BPF_PROG(note_victim_pid, int pid) {
  return note_task(ctx, task_of_pid(pid));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
