/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_HOST_MEMORY_BPF_H
#define KATAMETER_HOST_MEMORY_BPF_H

#include "bpf/host_records.h"
#include "bpf/kernel.h"
#include "bpf/percpu.bpf.h"

/* Pages of a mm by MM_*. "used": see cgroup_walk.bpf.h. */
static __s64 mm_pages[4] __attribute__((used));

static __always_inline void add_mm_pages(__u64 offset, __u64 file, __u64 anonymous, __u64 shared) {
  mm_pages[MM_FILEPAGES] += (__s32)read_u32(file + offset);
  mm_pages[MM_ANONPAGES] += (__s32)read_u32(anonymous + offset);
  mm_pages[MM_SHMEMPAGES] += (__s32)read_u32(shared + offset);
}

DEFINE_CPU_LOOP(mm_pages, add_mm_pages)

/* struct mm_struct.rss_stat[member], since 6.2. */
static __always_inline __u64 mm_counter(__u64 mm, int member) {
  return mm + bpf_core_field_offset(struct mm_struct___percpu, rss_stat) +
         member * bpf_core_type_size(struct percpu_counter);
}

static __always_inline __u64 mm_counter_of_cpus(__u64 mm, int member) {
  return read_u64(mm_counter(mm, member) + bpf_core_field_offset(struct percpu_counter, counters));
}

static __always_inline __s64 mm_sum(__u64 mm, int member) {
  if (bpf_core_field_exists(struct mm_struct___percpu, rss_stat))
    return read_u64(mm_counter(mm, member) + bpf_core_field_offset(struct percpu_counter, count));
  return read_u64(mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
                  bpf_core_field_offset(struct mm_rss_stat, count) + member * sizeof(atomic_long_t));
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

static __always_inline __u64 not_negative(__s64 pages) {
  return pages < 0 ? 0 : pages;
}

/*
 * Guest RAM that the VMM shares with virtiofsd is a file without a name: a memfd, or one in /dev/shm or a hugetlbfs
 * that was unlinked. Its pages are looked up where they belong, so that it does not matter who maps them, how often.
 */
enum {
  FILE_CHUNKS = 32,
  FILES_PER_CHUNK = 32, /* divides 64, in which the kernel makes descriptor tables: no chunk is over the end of one */
};

#define TMPFS_MAGIC 0x01021994
#define HUGETLBFS_MAGIC 0x958458f6

static __always_inline void note_file(__u64 file, struct process_reading *reading) {
  __u64 inode = read_u64(file + bpf_core_field_offset(struct file, f_inode));
  __u64 super = read_u64(inode + bpf_core_field_offset(struct inode, i_sb));
  __u64 magic = read_u64(super + bpf_core_field_offset(struct super_block, s_magic));

  if (magic != TMPFS_MAGIC && magic != HUGETLBFS_MAGIC) return;
  if (read_u32(inode + bpf_core_field_offset(struct inode, i_nlink))) return;
  if (reading->files >= MEMORY_FILES) {
    reading->flags |= READING_UNFINISHED;
    return;
  }
  struct memory_file *entry = &reading->file[reading->files & (MEMORY_FILES - 1)];
  entry->inode = inode;
  entry->blocks = read_u64(inode + bpf_core_field_offset(struct inode, i_blocks));
  reading->files++;
}

#endif
