// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * read_process: CPU, run-queue wait, faults, I/O and memory of one process of a sandbox, all its threads.
 *
 * Hook:    none. Run by BPF_PROG_TEST_RUN (raw_tp) with the two halves of a process_key as arguments.
 * Rate:    once per process and scrape.
 * Costs:   5.7 us for one of 6 threads, the mean of a sandbox's four processes; 2.4 us where it reads by loads (read.bpf.h;
 *          bpf_stats, 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later with BTF.
 * Without: sandboxes have no host-side figures.
 *
 * The kernel holds rcu_read_lock() throughout. A record that is not `ended` after the reading was not during it, and
 * note_free sets that before the kernel lets go of the leader and of signal_struct; so what was followed was alive.
 * Should note_free be passed over, the addresses may be another's: then key, leader and threads do not fit together.
 * Loops are cut as in lib/walk.bpf.h: 5.10's verifier looks at each global function on its own.
 */
#include "bpf/host/process.bpf.h"
#include "bpf/lib/cgroup.bpf.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/task.bpf.h"

/* Pages of a mm by MM_*. "used": see lib/walk.bpf.h. */
static __s64 mm_pages[4] __attribute__((used));

static __always_inline void add_mm_pages(__u64 offset, __u64 file, __u64 anonymous, __u64 shared) {
  mm_pages[MM_FILEPAGES] += (__s32)read_u32(file + offset);
  mm_pages[MM_ANONPAGES] += (__s32)read_u32(anonymous + offset);
  mm_pages[MM_SHMEMPAGES] += (__s32)read_u32(shared + offset);
}

DEFINE_CPU_LOOP(mm_pages, add_mm_pages)

static __always_inline __u64 mm_counter_of_cpus(__u64 mm, int member) {
  return KREAD(struct percpu_counter, mm_counter(mm, member), counters);
}

/* Since 6.2 the sum proper is off by up to max(32, 2 * CPUs) pages for each CPU; with the CPUs' own parts it is exact.
 */
static __always_inline void read_mm_pages(__u64 mm) {
  mm_pages[MM_FILEPAGES] = mm_sum(mm, MM_FILEPAGES);
  mm_pages[MM_ANONPAGES] = mm_sum(mm, MM_ANONPAGES);
  mm_pages[MM_SHMEMPAGES] = mm_sum(mm, MM_SHMEMPAGES);
  if (bpf_core_field_exists(struct mm_struct___percpu, rss_stat))
    mm_pages_on_cpus(mm_counter_of_cpus(mm, MM_FILEPAGES), mm_counter_of_cpus(mm, MM_ANONPAGES),
                     mm_counter_of_cpus(mm, MM_SHMEMPAGES));
}

/*
 * Where in the threads and descriptors of a process the reading is; addresses. Not static: clang 14 would take a static
 * struct apart into variables whose BTF no kernel accepts, and without BTF there are no global functions.
 */
struct {
  __u64 head;
  __u64 next;
  __u64 leader;
  __u64 mm_thread; /* the first that still has an mm: that of a leader which has ended is gone */
  __u64 descriptors;
  __u64 other_inode; /* the last one seen without memory: all eventfds and the like have one inode */
  __u64 open;        /* the bitmap of descriptors that are in use: a table may be far larger than what is open */
  __u32 descriptor;
  __u32 descriptor_count;
} place;

/*
 * Guest RAM that the VMM shares with virtiofsd is a file without a name: a memfd, or one in /dev/shm, a hugetlbfs or on
 * a disk that was unlinked, below an overlayfs too. That of a confidential guest is a guest_memfd. Its pages are looked
 * up where they belong, so it does not matter which processes map them, and how often.
 */
enum {
  FILES_PER_CHUNK = 32, /* divides 64, in which the kernel makes descriptor tables: no chunk is over the end of one */
  CHUNKS_PER_SPAN = 32,
  SPANS_PER_PART = 32,
  FILE_PARTS = 32, /* 1,048,576 descriptors: fs.nr_open, unless an administrator has raised it */
};

#define TMPFS_MAGIC 0x01021994
#define HUGETLBFS_MAGIC 0x958458f6
/* Of guest_memfd: the inodes that have no file system of their own, and since 6.18 one that has. */
#define ANON_INODE_FS_MAGIC 0x09041934
#define GUEST_MEMORY_MAGIC 0x474d454d
#define OVERLAYFS_SUPER_MAGIC 0x794c7630

static __always_inline __u64 magic_of(__u64 inode) {
  return KREAD(struct super_block, KREAD(struct inode, inode, i_sb), s_magic);
}

/* The inode of a file that has a page cache of its own; 0 if it has none, or no struct file is at the address. */
static __always_inline __u64 inode_with_pages(__u64 file) {
  __u64 inode = KREAD(struct file, file, f_inode);
  __u64 mapping = KREAD(struct inode, inode, i_mapping);

  return KREAD(struct address_space, mapping, host) == inode ? inode : 0;
}

/*
 * A file of overlayfs has no pages: what is mapped is the file of a layer below (ovl_mmap()). private_data is that file
 * or, since 6.13 (87a8a76c34a2), struct ovl_file, which begins with it.
 */
static __always_inline __u64 inode_of_layer(__u64 file) {
  __u64 private_data = KREAD(struct file, file, private_data);
  __u64 inode = inode_with_pages(read_u64(private_data));

  return inode ? inode : inode_with_pages(private_data);
}

static __always_inline void note_file(__u64 file, struct process_reading *reading) {
  __u64 inode = KREAD(struct file, file, f_inode);
  if (inode == place.other_inode) return;
  __u64 magic = magic_of(inode);

  if (magic == OVERLAYFS_SUPER_MAGIC) { /* of a VMM in a container */
    inode = inode_of_layer(file);
    magic = magic_of(inode);
  }
  int in_memory = magic == TMPFS_MAGIC || magic == HUGETLBFS_MAGIC;
  int guest_memfd = magic == ANON_INODE_FS_MAGIC || magic == GUEST_MEMORY_MAGIC;
  __u64 pages = 0;

  if (!guest_memfd && KREAD(struct inode, inode, i_nlink)) return;
  if (!in_memory) {
    pages = KREAD(struct address_space, KREAD(struct inode, inode, i_mapping), nrpages);
    if (!pages) {
      place.other_inode = inode;
      return;
    }
  }
  if (reading->files >= MEMORY_FILES) {
    reading->flags |= READING_TRUNCATED;
    return;
  }
  struct memory_file *entry = &reading->file[reading->files & (MEMORY_FILES - 1)];
  entry->inode = inode;
  entry->blocks = in_memory ? KREAD(struct inode, inode, i_blocks) : 0;
  entry->pages = pages;
  reading->files++;
}

enum {
  THREAD_CHUNKS = 64,
  THREADS_PER_CHUNK = 64,
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct process_reading);
} reading_map SEC(".maps");

static __always_inline struct process_reading *current_reading(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&reading_map, &zero);
}

__noinline int read_thread(void) {
  struct process_reading *reading = current_reading();
  if (!reading || !place.next || place.next == place.head) return 1;
  __u64 thread = CONTAINER(struct task_struct, place.next, thread_node);
  __u64 cpu = KREAD(struct sched_entity, FIELD(struct task_struct, thread, se), sum_exec_runtime);
  __u64 delay = 0;
  char comm[16] __attribute__((aligned(8))) = {};

  if (bpf_core_field_exists(struct task_struct, sched_info))
    delay = KREAD(struct sched_info, FIELD(struct task_struct, thread, sched_info), run_delay);
  read_comm(thread, comm);

  /* A signal_struct that is another's now, its own leader's end having escaped us, has another's threads. */
  if (KREAD(struct task_struct, thread, group_leader) != place.leader) {
    reading->flags |= READING_GONE;
    return 1;
  }
  reading->threads++;
  reading->cpu_ns += cpu;
  __u64 guest_ns = guest_time(thread);
  reading->usage.guest_ns += guest_ns;
  add_thread_usage(thread, &reading->usage);
  int kind = thread_kind(comm, guest_ns);
  if (kind != THREAD_OTHER && (KREAD(struct task_struct, thread, flags) & PF_EXITING))
    reading->exiting_classified_threads++;
  if (kind == THREAD_VCPU) {
    reading->vcpu_threads++;
    reading->vcpu_ns += cpu;
    reading->vcpu_delay_ns += delay;
  } else if (kind == THREAD_KERNEL) {
    reading->kernel_threads++;
    reading->kernel_ns += cpu;
    reading->kernel_delay_ns += delay;
  } else {
    reading->other_delay_ns += delay;
  }
  /* A kernel thread has no mm of its own: before 6.4 vhost's borrows the VMM's. */
  if (!reading->mm && !(KREAD(struct task_struct, thread, flags) & PF_KTHREAD)) {
    reading->mm = KREAD(struct task_struct, thread, mm);
    place.mm_thread = thread;
  }
  place.next = read_u64(place.next);
  return 0;
}

__noinline int read_thread_chunk(void) {
  for (int i = 0; i < THREADS_PER_CHUNK; i++)
    if (read_thread()) return 1;
  return 0;
}

static __always_inline void read_threads(__u64 signal, struct process_reading *reading) {
  __u64 lock = FIELD(struct signal_struct, signal, stats_lock);
  __u32 before = read_u32(lock);

  /* The sum first: a thread that dies later is then missing, never counted twice. */
  reading->cpu_ns = KREAD(struct signal_struct, signal, sum_sched_runtime);
  read_dead_usage(signal, &reading->usage);
  if ((before & 1) || read_u32(lock) != before) reading->flags |= READING_TORN;
  place.head = FIELD(struct signal_struct, signal, thread_head);
  place.next = read_u64(place.head);
  place.mm_thread = 0;
  reading->flags |= READING_TRUNCATED;
  for (int i = 0; i < THREAD_CHUNKS; i++) {
    if (read_thread_chunk()) {
      reading->flags &= ~READING_TRUNCATED;
      break;
    }
  }
  if (read_u32(lock) != before) reading->flags |= READING_RACED;
}

__noinline int read_file_chunk(void) {
  struct process_reading *reading = current_reading();
  __u64 files[FILES_PER_CHUNK];

  if (!reading || place.descriptor >= place.descriptor_count) return 1;
  __u32 first = place.descriptor;
  __u32 open = read_u64(place.open + first / 64 * sizeof(__u64)) >> (first % 64);
  place.descriptor = first + FILES_PER_CHUNK;
  if (!open) return 0;
  if (bpf_probe_read_kernel(files, sizeof(files), (void *)(place.descriptors + first * sizeof(__u64)))) return 1;
  for (int i = 0; i < FILES_PER_CHUNK; i++)
    if (files[i]) note_file(files[i], reading);
  return 0;
}

__noinline int read_file_span(void) {
  for (int i = 0; i < CHUNKS_PER_SPAN; i++)
    if (read_file_chunk()) return 1;
  return 0;
}

__noinline int read_file_part(void) {
  for (int i = 0; i < SPANS_PER_PART; i++)
    if (read_file_span()) return 1;
  return 0;
}

static __always_inline void read_files(struct process_reading *reading) {
  __u64 table = KREAD(struct task_struct, place.mm_thread, files);
  __u64 descriptors = KREAD(struct files_struct, table, fdt);

  if (!table || !descriptors) return;
  place.descriptors = KREAD(struct fdtable, descriptors, fd);
  place.open = KREAD(struct fdtable, descriptors, open_fds);
  place.descriptor_count = KREAD(struct fdtable, descriptors, max_fds);
  place.descriptor = 0;
  place.other_inode = 0;
  for (int i = 0; i < FILE_PARTS; i++)
    if (read_file_part()) break;
  if (place.descriptor < place.descriptor_count) reading->flags |= READING_TRUNCATED;
  /* files_struct is not freed by RCU: it was there throughout if the thread still has it. */
  if (KREAD(struct task_struct, place.mm_thread, files) != table) reading->files = 0;
}

/* What the kernel charges to the cgroup that the process is in, its memory and whatever else. */
static __always_inline void read_memory_cgroup(__u64 task, struct process_reading *reading) {
  int index = memory_index();
  __u64 css = index < 0 ? 0 : task_css(task, index);

  if (!css) return;
  __u64 node = css_kernfs_node(css);
  __u64 counter = FIELD(struct mem_cgroup, CONTAINER(struct mem_cgroup, css, css), memory);
  reading->memory_cgroup = kernfs_id(node);
  reading->memory_cgroup_pages = KREAD(struct page_counter, counter, usage.counter);
  bpf_probe_read_kernel_str(reading->memory_cgroup_name, CGROUP_NAME_BYTES, (void *)kernfs_name(node));
}

static __always_inline int is_leader(__u64 task, const struct process_key *key, __u64 signal) {
  return KREAD(struct task_struct, task, tgid) == key->tgid &&
         KREAD(struct task_struct, task, start_boottime) == key->start_boottime_ns &&
         KREAD(struct task_struct, task, signal) == signal;
}

SEC("raw_tp")
int read_process(struct bpf_raw_tracepoint_args *context) {
  struct process_key key = {.start_boottime_ns = context->args[0], .tgid = context->args[1]};
  struct process_reading *reading = current_reading();
  volatile struct process_record *process = bpf_map_lookup_elem(&processes, &key);

  if (!reading) return 0;
  reading->flags = READING_GONE;
  if (!process || process->ended || !is_leader(process->leader, &key, process->signal)) return 0;

  __builtin_memset(reading, 0, __builtin_offsetof(struct process_reading, record));
  /* Before the threads: one that is freed from here on is still found in the list, and so counted once. */
  reading->record.classified_frees = process->classified_frees;
  bpf_probe_read_kernel(&reading->record, __builtin_offsetof(struct process_record, classified_frees), (void *)process);
  place.leader = process->leader;
  read_threads(process->signal, reading);
  reading->classified_exits = process->classified_exits;
  if (counts_io()) reading->flags |= READING_IO;
  if (reading->mm && !(reading->flags & READING_GONE)) {
    read_mm_pages(reading->mm);
    reading->anonymous_pages = not_negative(mm_pages[MM_ANONPAGES]);
    reading->file_pages = not_negative(mm_pages[MM_FILEPAGES]);
    reading->shared_pages = not_negative(mm_pages[MM_SHMEMPAGES]);
    reading->page_table_bytes = KREAD(struct mm_struct, reading->mm, pgtables_bytes);
    read_memory_cgroup(place.mm_thread, reading);
    reading->mapped_pages = KREAD(struct mm_struct, reading->mm, total_vm);
    /* Dragonball is a part of the shim. */
    if (process->kind == PROCESS_VMM || (process->kind == PROCESS_SHIM && reading->vcpu_threads)) read_files(reading);
  }
  /* Without threads it is about to be freed, or was freed unseen; a zombie still is in the list. */
  if (process->ended || !reading->threads) reading->flags |= READING_GONE;
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
