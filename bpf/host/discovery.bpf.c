// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which processes belong to sandboxes: those with a watched name, found as they start, and all that they fork. A
 * hypervisor's file may have any name: what a shim runs is shown to user space, which knows it by its command line.
 *
 * note_exec:    tp_btf/sched_process_exec, once per exec on the machine: 0.4 us; a watched name, or an exec below a
 *               shim, costs a command line sent to user space. Without: VMMs and virtiofsd that start later are not
 *               seen.
 * note_fork:    tp_btf/sched_process_fork, once per new thread or process on the machine: 0.16 us.
 *               Without: virtiofsd's worker (a fork that never execs) and a daemonized QEMU are not seen.
 * note_rename:  tp_btf/task_rename, once per thread that is given a name: 0.1 us. Before 6.4 the kernel names a thread
 *               that it makes for a VMM (vhost) in the VMM's own name. Without: such threads are not seen.
 * note_running: iter/task, at start and after a loss: what runs already, with up to SHIM_DEPTH generations below
 *               shims, and what is in a sandbox's cgroup: its shim may have died. Without: such sandboxes have no
 *               host-side figures.
 * Kernels:      5.10 and later with BTF.
 */
#include "bpf/host/process.bpf.h"
#include "bpf/lib/cgroup.bpf.h"
#include "bpf/lib/task.bpf.h"
#include "bpf/lib/text.bpf.h"

const volatile struct watched_name watched[WATCHED_NAMES];
const volatile __u32 own_pid_namespace; /* of host-probe: the inode number */

enum { SHIM_DEPTH = 3 }; /* a shim runs a hypervisor, or a script that does */

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024); /* 120 command lines; user space is woken by the first */
} exec_events SEC(".maps");

/* How many processes of a root, itself not counted, `processes` has. Beyond CHILDREN_KEPT they are not recorded, so that
 * no sandbox fills the map for all others. User space sets the number when it has taken some out. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1); /* set before loading */
  __type(key, struct process_key);
  __type(value, __u32);
} children SEC(".maps");

/* Counts, and wakes user space once in WAKE_PROCESSES to look at the map. The record wakes it and has no other use. When
 * two CPUs count at the same time, user space may be woken one round later. */
static __always_inline void count_and_wake(__u64 *counter) {
  __sync_fetch_and_add(counter, 1);
  __u64 count = *(volatile __u64 *)counter;
  if (count % WAKE_PROCESSES == 1) bpf_ringbuf_output(&exec_events, &count, sizeof(count), BPF_RB_FORCE_WAKEUP);
}

static __always_inline void count_lost_process(void) {
  struct host_status *status = host_status();
  if (status) count_and_wake(&status->processes_lost);
}

static __always_inline void count_recorded_process(void) {
  struct host_status *status = host_status();
  if (status) count_and_wake(&status->processes_recorded);
}

static __always_inline void count_lost_event(void) {
  struct host_status *status = host_status();
  if (status) __sync_fetch_and_add(&status->events_lost, 1);
}

static __always_inline int is_kata_shim(struct task_struct *task) {
  __u64 mm = KREAD(struct task_struct, (__u64)task, mm);
  __u64 file = mm ? KREAD(struct mm_struct___program, mm, exe_file) : 0;
  __u64 dentry = file ? KREAD(struct path, FIELD(struct file___path, file, f_path), dentry) : 0;
  char name[sizeof(KATA_SHIM)] = {};

  if (!dentry) return 0;
  bpf_probe_read_kernel_str(name, sizeof(name), (void *)KREAD(struct qstr, FIELD(struct dentry, dentry, d_name), name));
  return is_kata_shim_name(name, sizeof(name) - 1);
}

static __always_inline int is_in_own_pid_namespace(struct task_struct *task) {
  __u64 pid = KREAD(struct task_struct, (__u64)task, thread_pid);
  __u64 number = FIELD(struct pid, pid, numbers) + KREAD(struct pid, pid, level) * bpf_core_type_size(struct upid);
  __u64 namespace = KREAD(struct upid, number, ns);

  return read_u32(FIELD(struct ns_common, FIELD(struct pid_namespace, namespace, ns), inum)) == own_pid_namespace;
}

/* Root's, and in host-probe's own pid namespace: a container or a user may start anything under a shim's name. */
static __always_inline int is_of_the_host(struct task_struct *task) {
  __u64 cred = KREAD(struct task_struct, (__u64)task, real_cred);

  return !KREAD(struct cred, cred, uid.val) && is_in_own_pid_namespace(task);
}

char cgroup_name[CGROUP_NAME_BYTES]; /* of note_running alone, which one thread runs */

/* A process that is in a pod's cgroup and not in a pid namespace of it: a sandbox's, or that of a pod with hostPID. The
 * name has a pod's id for its end, or before ".scope". */
static __always_inline int is_in_cgroup_of_pod(struct task_struct *task) {
  int index = memory_index();
  __u64 css = index < 0 ? 0 : task_css((__u64)task, index);
  __u64 name = css ? kernfs_name(css_kernfs_node(css)) : 0;

  if (!name || (task->flags & PF_KTHREAD) || !is_in_own_pid_namespace(task)) return 0;
  long bytes = bpf_probe_read_kernel_str(cgroup_name, sizeof(cgroup_name), (void *)name);
  __u64 end = name + bytes - 1;

  if (bytes > CONTAINER_DIGITS + 6 && is_text(end - 6, ".scope", 6)) end -= 6;
  return bytes > CONTAINER_DIGITS && is_id(end - CONTAINER_DIGITS);
}

/* PROCESS_*, 0 if a task of this name, two words, is not watched. */
static __always_inline __u32 kind_of(struct task_struct *task, const __u64 *name) {
  for (int i = 0; i < WATCHED_NAMES; i++) {
    if (!watched[i].mask[0] || (name[0] & watched[i].mask[0]) != watched[i].name[0] ||
        (name[1] & watched[i].mask[1]) != watched[i].name[1])
      continue;
    if (watched[i].kind == PROCESS_SHIM && !(is_kata_shim(task) && is_of_the_host(task))) return 0;
    return watched[i].kind;
  }
  return 0;
}

static __always_inline __u32 watched_kind(struct task_struct *task) {
  __u64 name[2] = {};
  bpf_probe_read_kernel(name, sizeof(name), task->comm);
  return kind_of(task, name);
}

/* A leader; of another thread it would be the wrong start. */
static __always_inline struct process_key key_of(struct task_struct *leader) {
  struct process_key key = {.start_boottime_ns = leader->start_boottime, .tgid = leader->tgid};
  return key;
}

/* The nearest Kata shim above: the parent, or a wrapper's. */
static __always_inline struct process_key shim_above(struct task_struct *task) {
  struct process_key none = {};

  for (int i = 0; i < SHIM_DEPTH; i++) {
    char name[16] = {};

    task = task->real_parent;
    if (!task) return none;
    bpf_probe_read_kernel(name, sizeof(name), task->comm);
    if (begins_with(name, "containerd-shim", 15) && is_kata_shim(task) && is_of_the_host(task)) return key_of(task);
  }
  return none;
}

static __always_inline int add_process(struct task_struct *leader, const struct process_key *root,
                                       const struct process_key *shim, __u32 kind) {
  struct process_key key = key_of(leader);
  struct process_record record = {.root = *root, .shim = *shim, .leader = (__u64)leader, .kind = kind};
  __u64 signal = (__u64)leader->signal;
  long status;

  record.signal = signal;
  status = bpf_map_update_elem(&processes, &key, &record, BPF_NOEXIST);
  if (status == -17 /* EEXIST: exec or fork has shown it to us before the iterator */) return 0;
  if (!status && bpf_map_update_elem(&by_signal, &signal, &key, BPF_ANY)) {
    bpf_map_delete_elem(&processes, &key);
    status = -1;
  }
  if (status)
    count_lost_process();
  else
    count_recorded_process();
  return !status;
}

/* What a process of a sandbox makes, as long as its root has not too many. */
static __always_inline void add_child(struct task_struct *leader, const struct process_record *parent, __u32 kind) {
  struct process_key root = parent->root;
  struct process_key shim = parent->shim;

  __u32 none = 0;
  __u32 *count = bpf_map_lookup_elem(&children, &root);

  if (!count) {
    bpf_map_update_elem(&children, &root, &none, BPF_NOEXIST);
    count = bpf_map_lookup_elem(&children, &root);
  }
  if (!count || *count >= CHILDREN_KEPT)
    count_lost_process();
  else if (add_process(leader, &root, &shim, kind))
    __sync_fetch_and_add(count, 1);
}

/* A child that becomes a root of its own. */
static __always_inline void release_child(const struct process_key *root, const struct process_key *child) {
  __u32 *count = root->tgid == child->tgid ? 0 : bpf_map_lookup_elem(&children, root);
  if (count && *count) __sync_fetch_and_add(count, -1);
}

static __always_inline void send_command_line(struct task_struct *task, const struct process_key *key,
                                              const struct process_key *shim, __u32 kind) {
  struct mm_struct *mm = task->mm;
  struct exec_event *event;
  __u64 bytes;

  if (!mm) return;
  event = bpf_ringbuf_reserve(&exec_events, sizeof(*event), 0);
  if (!event) {
    count_lost_event();
    return;
  }
  event->key = *key;
  event->shim = *shim;
  event->kind = kind;
  bytes = mm->arg_end - mm->arg_start;
  if (bytes > ARGUMENT_BYTES) bytes = ARGUMENT_BYTES;
  if (bpf_probe_read_user(event->arguments, bytes, (void *)mm->arg_start)) bytes = 0;
  event->argument_bytes = bytes;
  bpf_ringbuf_submit(event, 0);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(note_exec, struct task_struct *task) {
  __u32 kind = watched_kind(task);
  /* Kernel threads do not exec: what has such a name is somebody else's. */
  if (kind == PROCESS_KERNEL) return 0;

  struct process_key key = key_of(task);
  struct process_record *known = bpf_map_lookup_elem(&processes, &key);
  if (!kind && !(known && known->kind == PROCESS_SHIM)) return 0;

  struct process_key shim = {};
  if (known)
    shim = known->kind == PROCESS_SHIM ? known->root : known->shim;
  else if (kind != PROCESS_SHIM)
    shim = shim_above(task);
  if (!kind) {
    send_command_line(task, &key, &shim, PROCESS_UNKNOWN);
    return 0;
  }
  /* Sent before it is recorded: for a record that it finds, user space need not wait for the command line. */
  send_command_line(task, &key, &shim, kind);
  if (known) {
    struct process_key root = known->root;
    release_child(&root, &key);
    known->root = key;
    known->shim = shim;
    known->leader = (__u64)task; /* exec by a thread that was not the leader makes it one */
    known->kind = kind;
  } else {
    add_process(task, &key, &shim, kind);
  }
  return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(note_fork, struct task_struct *parent, struct task_struct *child) {
  if (child->pid != child->tgid) /* a thread */
    return 0;
  struct process_record *known = process_of(parent);
  if (!known) return 0;
  add_child(child, known, known->kind);
  return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(note_rename, struct task_struct *task, const char *comm) {
  struct process_record *known;
  __u64 name[2] = {};

  if (!(task->flags & PF_KTHREAD)) return 0;
  /* Only those that note_running finds as well: a role must not depend on who was there first. */
  bpf_probe_read_kernel_str(name, sizeof(name), comm);
  if (kind_of(task, name) != PROCESS_KERNEL) return 0;
  known = process_at(bpf_get_current_task());
  if (!known || known->kind != PROCESS_VMM) return 0;
  add_child(task, known, PROCESS_KERNEL);
  return 0;
}

SEC("iter/task")
int note_running(struct bpf_iter__task *context) {
  struct task_struct *task = context->task;

  if (!task || task->pid != task->tgid) return 0;
  __u32 kind = watched_kind(task);
  if (kind == PROCESS_KERNEL && !(task->flags & PF_KTHREAD)) return 0;
  struct process_key shim = {};
  if (kind != PROCESS_SHIM && kind != PROCESS_KERNEL) shim = shim_above(task);
  if (!kind && (shim.tgid || is_in_cgroup_of_pod(task))) kind = PROCESS_UNKNOWN;
  if (kind) {
    struct process_key key = key_of(task);
    add_process(task, &key, &shim, kind);
  }
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
