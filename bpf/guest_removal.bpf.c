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
#include "bpf/birth.bpf.h"
#include "bpf/cgroup_walk.bpf.h"
#include "bpf/cpu_read.bpf.h"
#include "bpf/guest_status.bpf.h"
#include "bpf/io_removal.bpf.h"
#include "bpf/memory_read.bpf.h"
#include "bpf/pressure_read.bpf.h"
#include "bpf/stalls.bpf.h"
#include "bpf/unified_read.bpf.h"

/* Whether CPU time is that of cgroup v2; set before loading. A v1 guest may have a v2 tree of systemd's beside. */
const volatile __u32 cpu_is_unified = 0;

/* Whether this kernel has PSI; set before loading. */
const volatile __u32 reads_pressure = 0;

/* As in io_walk.bpf.h. */
extern const volatile __u32 reads_io;

/* A ring; cgroup_mutex makes this program its only writer. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, REMOVED_KEPT);
  __type(key, __u32);
  __type(value, struct removed_record);
} removed SEC(".maps");

/*
 * What removed cgroups inside this one used may still be on its way up; they stay in the tree until it has arrived.
 * cgroup_mutex keeps the walk alone here. "used": see cgroup_walk.bpf.h.
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

/* A function of its own, as the kernel wants no more than 512 bytes of stack, with those that it is below. */
__noinline int take_pressure(__u64 cgroup, __u32 slot) {
  struct removed_record *record = reads_pressure ? bpf_map_lookup_elem(&removed, &slot) : 0;
  if (!record) return 0;
  read_pressure(cgroup, &record->pressure);
  return 1;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(note_removal, struct cgroup *cgroup, const char *path) {
  __u64 address = (__u64)cgroup;
  __u64 memory = memory_index() < 0 ? 0 : cgroup_css(address, memory_index());
  struct guest_status *status = guest_status();
  struct removed_record *record;
  __u32 slot;

  if (!status || !is_current(status)) return 0;
  slot = (status->removals + 1) % REMOVED_KEPT;
  record = bpf_map_lookup_elem(&removed, &slot);
  if (!record) return 0;
  record->sequence = 0;
  RECORD_IS_WHOLE();
  record->kinds = 0;
  record->id = kernfs_id(read_u64(address + bpf_core_field_offset(struct cgroup, kn)));
  record->cpu.node.id = record->id;
  record->made_ns = birth_of(address, record->id);
  read_cpu(address, &record->cpu);
  record->pressure.kinds = 0;
  if (cpu_is_unified && is_unified(address)) {
    unified_times(address, &record->cpu);
    /* The same address, but as a number: of a pointer the verifier would not let go. */
    take_pressure(css_cgroup(address + bpf_core_field_offset(struct cgroup, self)), slot);
  }
  if (record->cpu.kinds) record->kinds |= REMOVED_CPU;
  if (memory) {
    record->kinds |= REMOVED_MEMORY;
    record->memory.node.flags = stat_places.known << NODE_STATS_SHIFT; /* before they are read */
    read_memory(memory - bpf_core_field_offset(struct mem_cgroup, css), &record->memory);
    read_stalls(record->id, &record->memory);
    forget_stalls(record->id);
  }
  record->io_devices = 0;
  if (reads_io) take_io(address, record, status);
  if (record->io_devices) record->kinds |= REMOVED_IO;
  if (record->made_ns) bpf_map_delete_elem(&births, &record->id);
  if (!record->kinds) return 0; /* the next one gets the place */
  bpf_probe_read_kernel_str(record->path, sizeof(record->path), path);
  RECORD_IS_WHOLE();
  record->sequence = status->removals + 1;
  RECORD_IS_WHOLE();
  status->removals++;
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
