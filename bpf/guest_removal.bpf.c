// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * note_removal: keeps the last values of a cgroup whose directory is being removed, so that a container which came
 * and went between two snapshots is still reported with all it used.
 *
 * Hook:    tp_btf/cgroup_rmdir, after the cgroup was unlinked and before its counters go (cgroup_mutex is held).
 * Rate:    once per removed cgroup and hierarchy.
 * Kernels: 5.10 and later, BTF of the running kernel.
 * Without: a container's last values are those of the last snapshot; one that lived in between is never seen.
 */
#include "bpf/cpu_read.bpf.h"
#include "bpf/guest_status.bpf.h"
#include "bpf/memory_read.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH); /* by cgroup id: sparse, 64-bit; one access per removal */
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, struct removed_record);
} removed SEC(".maps");

/* A removed_record is too large for the stack; cgroup_mutex makes one enough. "used": see cgroup_walk.bpf.h. */
static struct removed_record scratch __attribute__((used));

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(note_removal, struct cgroup *cgroup, const char *path) {
  __u64 address = (__u64)cgroup;
  __u64 cpuacct = cpuacct_index() < 0 ? 0 : cgroup_css(address, cpuacct_index());
  __u64 memory = memory_index() < 0 ? 0 : cgroup_css(address, memory_index());
  struct guest_status *status = guest_status();
  __u64 id = kernfs_id(read_u64(address + bpf_core_field_offset(struct cgroup, kn)));

  if (!status || (!cpuacct && !memory))
    return 0;
  scratch.kinds = 0;
  if (cpuacct) {
    scratch.kinds |= REMOVED_CPU;
    scratch.cpu.usage_ns = cpuacct_usage(cpuacct - bpf_core_field_offset(struct cpuacct, css));
  }
  if (memory) {
    scratch.kinds |= REMOVED_MEMORY;
    scratch.memory.node.flags = 0;
    read_memory(memory - bpf_core_field_offset(struct mem_cgroup, css), &scratch.memory);
  }
  bpf_probe_read_kernel_str(scratch.path, sizeof(scratch.path), path);
  if (bpf_map_update_elem(&removed, &id, &scratch, BPF_ANY))
    status->removals_lost++;
  else
    status->removals++;
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
