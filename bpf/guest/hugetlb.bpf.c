// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * find_huge_pages: at which index of the arrays of a hugetlb cgroup the kernel has each size of huge pages. The order is
 * that in which sizes were added at boot, and depends on the kernel's command line. The names of the controller's files
 * begin with the size, and each file has the index.
 *
 * Hook:    none. Run by BPF_PROG_TEST_RUN (raw_tp) at start. Returns how many sizes were found.
 * Rate:    once.
 * Kernels: 5.10 and later with CONFIG_CGROUP_HUGETLB.
 * Without: no container has a figure of huge pages.
 */
#include "bpf/guest/hugetlb.bpf.h"
#include "bpf/lib/text.bpf.h"

__u32 huge_places[HUGE_SIZES];

const volatile __u32 reads_hugetlb = 0;
const volatile __u32 hugetlb_is_unified = 0;

enum {
  FILE_ARRAYS = 16, /* at most: until 6.9 two for each size */
  FILES = 64,       /* of an array */
};

/* mm/hugetlb_cgroup.c, MEMFILE_PRIVATE() */
#define INDEX_OF_FILE(private) ((__u32)((private) >> 16))

/* The file at this address; 0: there is none, the array ends. */
__noinline int note_hugetlb_file(__u64 file) {
  if (!bpf_core_type_exists(struct cftype)) return 0;
  const __u64 name = FIELD(struct cftype, file, name);
  const __u32 place = INDEX_OF_FILE(KREAD(struct cftype, file, private)) + 1;

  if (!read_u8(name)) return 0;
  if (is_text(name, "64KB.", 5)) huge_places[HUGE_64KB] = place;
  if (is_text(name, "2MB.", 4)) huge_places[HUGE_2MB] = place;
  if (is_text(name, "32MB.", 5)) huge_places[HUGE_32MB] = place;
  if (is_text(name, "1GB.", 4)) huge_places[HUGE_1GB] = place;
  return 1;
}

__noinline int note_hugetlb_files(__u64 files) {
  for (int i = 0; i < FILES; i++)
    if (!note_hugetlb_file(files + i * bpf_core_type_size(struct cftype))) return i;
  return FILES;
}

SEC("raw_tp")
int find_huge_pages(struct bpf_raw_tracepoint_args *ctx) {
  int found = 0;

  if (hugetlb_index() < 0) return 0;
  const __u64 css = task_css(bpf_get_current_task(), hugetlb_index());
  const __u64 list = FIELD(struct cgroup_subsys, KREAD(struct cgroup_subsys_state___subsys, css, ss), cfts);
  __u64 node = read_u64(list);
  for (int i = 0; i < FILE_ARRAYS && node && node != list; i++) {
    note_hugetlb_files(CONTAINER(struct cftype, node, node));
    node = read_u64(node);
  }
  for (int size = 0; size < HUGE_SIZES; size++) found += huge_places[size] != 0;
  return found;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
