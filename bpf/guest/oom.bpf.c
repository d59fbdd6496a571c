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
#include "bpf/guest/memory.bpf.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/lib/task.bpf.h"

/*
 * Whose memory was out. mark_victim does not say; the kernel's struct oom_control does, a local variable of whoever
 * called out_of_memory() (mm/oom_kill.c), a few frames above the tracepoint on the same stack. It is recognised by what
 * it must hold: the victim's process as `chosen`, and as `memcg` one that the victim is charged to, or nothing, then
 * with everything else in agreement. Where none is found, the class is not known.
 */

enum {
  OOM_LEVELS = 16, /* a victim's memory cgroup and those above it */
  OOM_ROWS = 16,   /* how far up the stack it is looked for, in rows; it was 30 to 33 words above on 5.10, 6.1, 6.12 */
  OOM_ROW = 16,    /* words */
};

/* What is known of the kill that is under way; oom_lock makes one enough. "used": see lib/walk.bpf.h. */
static struct {
  __u64 memcg[OOM_LEVELS]; /* of the victim, and those above */
  __u64 over;              /* the one that is at its limit; 0: none */
  __u32 over_level;        /* its place in `memcg` */
  __u32 chosen_tgid;       /* of the last kill that was found */
} oom_kill __attribute__((used));

static __always_inline int read_s32(__u64 address) {
  int value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
  return value;
}

static __always_inline int task_tgid(__u64 task) {
  return read_s32(FIELD(struct task_struct, task, tgid));
}

static __always_inline void note_levels(__u64 css) {
  for (int level = 0; level < OOM_LEVELS; level++) {
    oom_kill.memcg[level] = css ? CONTAINER(struct mem_cgroup, css, css) : 0;
    css = css ? css_parent(css) : 0;
  }
}

/* Whether the limit of one of the victim's memory cgroups is named at `place`. */
__weak __noinline int names_limit(__u64 place) {
  __u64 memcg = KREAD(struct oom_control, place, memcg);
  int constraint = read_s32(FIELD(struct oom_control, place, constraint));

  if (!memcg || constraint != (int)bpf_core_enum_value(enum oom_constraint, CONSTRAINT_MEMCG)) return 0;
  for (int level = 0; level < OOM_LEVELS; level++) {
    if (oom_kill.memcg[level] != memcg) continue;
    oom_kill.over = memcg;
    oom_kill.over_level = level;
    return 1;
  }
  return 0;
}

/* The kernel's addresses have their top bit set. */
static __always_inline int is_address(__u64 value) {
  return (__s64)value < 0;
}

/* Whether it can be that the whole machine is meant. A saved register may point at the victim, too. */
__weak __noinline int names_guest(__u64 place) {
  const __u64 max_pages = 1ULL << 40;
  int constraint = read_s32(FIELD(struct oom_control, place, constraint));
  int order = read_s32(FIELD(struct oom_control, place, order));
  __u64 pages = KREAD(struct oom_control, place, totalpages);

  return !KREAD(struct oom_control, place, memcg) && is_address(KREAD(struct oom_control, place, zonelist)) &&
         order >= -1 && order < 64 && pages > 0 && pages < max_pages && constraint >= 0 &&
         constraint < (int)bpf_core_enum_value(enum oom_constraint, CONSTRAINT_MEMCG);
}

/*
 * OOM_CLASS_* of the kill of a process, by what is at `place`. This one and the next two are functions of their own, and
 * the search is rows of words: the verifier goes through each alone, where one loop over all words took it 1.4 s
 * (5.10, emulated), and all the other programs together 0.4 s.
 */
__weak __noinline int class_at(__u64 place, int tgid) {
  __u64 chosen = KREAD(struct oom_control, place, chosen);

  if (!is_address(chosen) || task_tgid(chosen) != tgid) return OOM_CLASS_UNKNOWN;
  if (names_limit(place)) return OOM_CLASS_LIMIT;
  return names_guest(place) ? OOM_CLASS_GUEST : OOM_CLASS_UNKNOWN;
}

/* A limit is a sure sign and ends the search; something that looks like the whole guest is not. */
__weak __noinline int class_in_row(__u64 row, int tgid) {
  int found = OOM_CLASS_UNKNOWN;

  for (int word = 0; word < OOM_ROW; word++) {
    int class = class_at(row + word * sizeof(__u64), tgid);
    if (class == OOM_CLASS_LIMIT) return class;
    if (class == OOM_CLASS_GUEST) found = class;
  }
  return found;
}

__weak __noinline int find_oom_control(__u64 stack, int tgid) {
  int found = OOM_CLASS_UNKNOWN;

  oom_kill.over = 0;
  oom_kill.over_level = 0;
  for (int row = 0; row < OOM_ROWS; row++) {
    int class = class_in_row(stack + row * OOM_ROW * sizeof(__u64), tgid);
    if (class == OOM_CLASS_LIMIT) return class;
    if (class == OOM_CLASS_GUEST) found = class;
  }
  return found;
}

/* What a tracepoint hands to its programs lies on the stack of the running task (kernel/trace/bpf_trace.c). */
static __always_inline __u64 stack_at(void *ctx) {
  return read_u64((__u64)&ctx);
}

/* Fills in what the record says of the class; `css` is the state of the victim's memory cgroup. */
static __always_inline void classify_oom(void *ctx, __u64 css, struct oom_record *record) {
  record->oom_class = OOM_CLASS_UNKNOWN;
  record->over_level = 0;
  record->over_usage_pages = record->over_limit_pages = 0;
  if (!bpf_core_type_exists(struct oom_control)) return;
  note_levels(css);
  __u64 stack = stack_at(ctx);
  int found = find_oom_control(stack, record->victim_tgid);
  if (found == OOM_CLASS_UNKNOWN)
    /* With memory.oom.group all processes of a cgroup become victims, of which the first one stays `chosen`. */
    found = find_oom_control(stack, oom_kill.chosen_tgid);
  else
    oom_kill.chosen_tgid = record->victim_tgid;
  record->oom_class = found;
  if (found != OOM_CLASS_LIMIT) return;
  record->over_level = oom_kill.over_level;
  record->over_usage_pages = page_counter_usage(oom_kill.over);
  record->over_limit_pages = page_counter_limit(oom_kill.over);
}

/* A ring; oom_lock makes these programs its only writers. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, OOM_SLOTS);
  __type(key, __u32);
  __type(value, struct oom_record);
} oom_events SEC(".maps");

/* Wakes user space; where it is full, user space has been woken and has not looked yet. */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} oom_wakeup SEC(".maps");

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
  __u64 mm = KREAD(struct task_struct, task, mm);
  struct oom_record *record;
  __u64 sequence;
  __u32 slot;

  if (!status || !is_current(status)) return 0;
  sequence = status->oom_events + 1;
  slot = sequence % OOM_SLOTS;
  record = bpf_map_lookup_elem(&oom_events, &slot);
  if (!record) return 0;
  record->sequence = 0;
  RECORD_IS_WHOLE();
  record->boottime_ns = bpf_ktime_get_boot_ns();
  record->cgroup_id = kernfs_id(css_kernfs_node(memcg));
  record->anon_pages = not_negative(mm_sum(mm, MM_ANONPAGES));
  record->file_pages = not_negative(mm_sum(mm, MM_FILEPAGES));
  record->shmem_pages = not_negative(mm_sum(mm, MM_SHMEMPAGES));
  record->usage_pages = page_counter_usage(memcg);
  record->limit_pages = page_counter_limit(memcg);
  record->victim_tgid = 0;
  bpf_probe_read_kernel(&record->victim_tgid, sizeof(__u32), (void *)FIELD(struct task_struct, task, tgid));
  bpf_probe_read_kernel(record->comm, COMM_BYTES, (void *)FIELD(struct task_struct, task, comm));
  name_levels(memcg, record);
  classify_oom(ctx, memcg, record);
  RECORD_IS_WHOLE();
  record->sequence = sequence;
  RECORD_IS_WHOLE();
  status->oom_events = sequence;
  bpf_ringbuf_output(&oom_wakeup, &sequence, sizeof(sequence), BPF_RB_FORCE_WAKEUP);
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
