// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * note_mkdir: when a container's cgroup was made. The kernel does not keep it: kernfs gives a directory's time to the
 * inode, which it makes anew after memory was short, and has no iattr for a cgroup that nobody changed the owner of.
 *
 * Hook:    tp_btf/cgroup_mkdir (cgroup_mutex is held; the controllers' states are there).
 * Rate:    once per cgroup and hierarchy.
 * Costs:   0.7 us a cgroup (bpf_stats, 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later, BTF of the running kernel.
 * Without: the start of a container is that of its oldest process at the first snapshot.
 */
#include "bpf/guest/mkdir.bpf.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/lib/container.bpf.h"

const volatile __u32 mkdir_hierarchy = WALK_CPUACCT;

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(note_mkdir, struct cgroup *cgroup) {
  const __u64 address = cgroup_address(cgroup);
  __u64 now = bpf_ktime_get_boot_ns();
  struct guest_status *status = guest_status();
  __u64 id;

  if (!status || !is_current(status) || !is_mkdir_hierarchy(address)) return 0;
  id = kernfs_id(KREAD(struct cgroup, address, kn));
  if (container_id_of(address) != id) return 0; /* no container, or inside one */
  bpf_map_update_elem(&mkdir_times, &id, &now, BPF_ANY);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
