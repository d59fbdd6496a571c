// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * note_removal: keeps the last values of a cgroup whose directory is being removed, so that a container which came
 * and went between two snapshots is still reported with all it used.
 *
 * Hook:    tp_btf/cgroup_rmdir, after the cgroup was unlinked and before its counters go (cgroup_mutex is held).
 * Rate:    once per removed cgroup and hierarchy.
 * Costs:   2.1 us a removal (bpf_stats, 6.18, JIT, 2 CPUs, one controller each).
 * Kernels: 5.10 and later, BTF of the running kernel.
 * Without: a container's last values are those of the last snapshot; one that lived in between is never seen.
 */
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/cpu_read.bpf.h"
#include "bpf/guest_status.bpf.h"
#include "bpf/memory_read.bpf.h"
#include "bpf/unified_read.bpf.h"

/* Whether CPU time is that of cgroup v2; set before loading. A v1 guest may have a v2 tree of systemd's beside. */
const volatile __u32 cpu_is_unified = 0;

struct {
  __uint(type, BPF_MAP_TYPE_HASH); /* by removal_key(); one access per removal */
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, struct removed_record);
} removed SEC(".maps");

/* A removed_record is too large for the stack; cgroup_mutex makes one enough. "used": see cgroup_walk.bpf.h. */
static struct removed_record scratch __attribute__((used));

/*
 * What removed cgroups inside this one used may still be on its way up; they stay in the tree until it has arrived.
 * cgroup_mutex keeps the walk alone here.
 */
static struct unified_record part __attribute__((used));
static __u64 sum[TIMES] __attribute__((used));

static __always_inline void visit_below(__u64 css, __u32 depth, __u32 position) {
  read_unified(css_cgroup(css), &part);
  for (int i = 0; i < TIMES; i++) sum[i] += part.flushed[i] + part.pending[i] - (depth ? part.handed_up[i] : 0);
}

DEFINE_WALK(below, visit_below)

/* Another's flush makes a sum too small: of two the larger. */
static __always_inline void unified_times(__u64 cgroup, struct cpu_record *record) {
  record->usage_ns = record->user_ns = record->system_ns = 0;
  for (int attempt = 0; attempt < 2; attempt++) {
    sum[TIME_USAGE] = sum[TIME_USER] = sum[TIME_SYSTEM] = 0;
    below_walk_below(cgroup + bpf_core_field_offset(struct cgroup, self));
    if (sum[TIME_USAGE] < record->usage_ns) continue;
    record->usage_ns = sum[TIME_USAGE];
    record->user_ns = sum[TIME_USER];
    record->system_ns = sum[TIME_SYSTEM];
  }
  shown_times(cgroup, record);
  record->kinds |= CPU_TIMES | CPU_UNIFIED;
}

static __always_inline int is_unified(__u64 cgroup) {
  __u64 root = read_u64(cgroup + bpf_core_field_offset(struct cgroup, root));
  return read_u32(root + bpf_core_field_offset(struct cgroup_root, hierarchy_id)) == 0; /* "0::" in /proc/PID/cgroup */
}

/*
 * Ids are a hierarchy's own, and a container's directories go within milliseconds, so that two may have the same id at
 * once. A controller is in one hierarchy only: with the kinds the key is unique. The upper half of an id counts how
 * often the lower half was used up; its top byte stays 0.
 */
static __always_inline __u64 removal_key(const struct removed_record *record) {
  return record->id ^ (__u64)(record->kinds << 4 | record->cpu.kinds) << 56;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(note_removal, struct cgroup *cgroup, const char *path) {
  __u64 address = (__u64)cgroup;
  __u64 memory = memory_index() < 0 ? 0 : cgroup_css(address, memory_index());
  struct guest_status *status = guest_status();
  __u64 key;

  if (!status) return 0;
  scratch.kinds = 0;
  scratch.id = kernfs_id(read_u64(address + bpf_core_field_offset(struct cgroup, kn)));
  scratch.cpu.node.id = scratch.id;
  read_cpu(address, &scratch.cpu);
  if (cpu_is_unified && is_unified(address)) unified_times(address, &scratch.cpu);
  if (scratch.cpu.kinds) scratch.kinds |= REMOVED_CPU;
  if (memory) {
    scratch.kinds |= REMOVED_MEMORY;
    scratch.memory.node.flags = 0;
    read_memory(memory - bpf_core_field_offset(struct mem_cgroup, css), &scratch.memory);
  }
  if (!scratch.kinds) return 0;
  bpf_probe_read_kernel_str(scratch.path, sizeof(scratch.path), path);
  key = removal_key(&scratch);
  if (bpf_map_update_elem(&removed, &key, &scratch, BPF_ANY))
    status->removals_lost++;
  else
    status->removals++;
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
