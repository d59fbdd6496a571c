// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A container's cgroup is made, and is removed.
 *
 * note_mkdir: when a container's cgroup was made. The kernel does not keep it: kernfs gives a directory's time to the
 * inode, which it makes anew after memory was short, and has no iattr for a cgroup that nobody changed the owner of.
 *
 * Hook:    tp_btf/cgroup_mkdir (cgroup_mutex is held; the controllers' states are there).
 * Rate:    once per cgroup and hierarchy.
 * Costs:   0.7 us a cgroup (bpf_stats, 6.18, JIT, 2 CPUs).
 * Kernels: 5.10 and later, BTF of the running kernel.
 * Without: the start of a container is that of its oldest process at the first snapshot.
 *
 * note_removal: keeps the last values of a container whose cgroup is being removed, so that one which came and went
 * between two snapshots is still reported with all it used. Of a cgroup below a container's it keeps for the container
 * what the kernel forgets (v1). Other cgroups leave nothing.
 *
 * Hook:    tp_btf/cgroup_rmdir, after the cgroup was unlinked and before its counters go (cgroup_mutex is held).
 * Rate:    once per removed cgroup and hierarchy.
 * Costs:   2.1 us a removal (bpf_stats, 6.18, JIT, 2 CPUs, one controller each).
 * Kernels: 5.10 and later, BTF of the running kernel.
 * Without: a container's last values are those of the last snapshot; one that lived in between is never seen.
 */
#include "bpf/guest/cpu.bpf.h"
#include "bpf/guest/hugetlb.bpf.h"
#include "bpf/guest/io.bpf.h"
#include "bpf/guest/memory.bpf.h"
#include "bpf/guest/pressure.bpf.h"
#include "bpf/guest/reclaim.bpf.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/guest/virtiofs.bpf.h"
#include "bpf/lib/container.bpf.h"
#include "bpf/lib/walk.bpf.h"

/* As in guest/state.bpf.h; set before loading. */
const volatile __u64 generation = 0;
const volatile __u32 mkdir_hierarchy = WALK_CPUACCT;

/* User space's own: how far it and the host have got with the rings. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct state_record);
} state SEC(".maps");

/* Whether CPU time is that of cgroup v2; set before loading. A v1 guest may have a v2 tree of systemd's beside. */
const volatile __u32 cpu_is_unified = 0;

/* Whether this kernel has PSI; set before loading. */
const volatile __u32 reads_pressure = 0;

/* As in guest/io.bpf.h. */
extern const volatile __u32 reads_io;

enum {
  MERGE_RECORDS = 16, /* how far back the record of a container is looked for that has gone from another hierarchy */
};

/* A ring; cgroup_mutex makes this program its only writer. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, REMOVED_SLOTS);
  __type(key, __u32);
  __type(value, struct removed_record);
} removed SEC(".maps");

/* The container that is going: its id, and the sequence of its record. "used": see lib/walk.bpf.h. */
static struct {
  char id[CONTAINER_DIGITS];
  __u64 sequence;
} going __attribute__((used));

/* The last values of a cgroup's block I/O. cgroup_mutex keeps this alone here. "used": see lib/walk.bpf.h. */
static struct io_total io_gone[IO_REMOVED] __attribute__((used));
static __u32 io_gone_lost __attribute__((used));

static __always_inline void add_io_gone(__u32 device, int with_below) {
  for (int slot = 0; slot < IO_REMOVED; slot++) {
    struct io_total *total = &io_gone[slot];
    if (total->device && total->device != device) continue;
    total->device = device;
    for (int i = 0; i < IO_COUNTS; i++)
      total->counts.count[i] += io_part.own.count[i] - (with_below ? io_part.propagated.count[i] : 0);
    return;
  }
  io_gone_lost++;
}

/* v2: what removed cgroups inside this one did may still be on its way up. v1: it is in io_left. */
static __always_inline void visit_io_gone(struct walk *walk) {
  __u64 node = walk->depth && io_is_v1 ? 0 : first_io_device(walk->css);
  for (int i = 0; i < IO_DEVICES && node; i++, node = next_io_device(node)) {
    __u32 device = OWN(read_io)(io_device_at(node));
    if (device) add_io_gone(device, walk->depth != 0);
  }
}

DEFINE_WALK(io_gone, visit_io_gone)

/* A function of its own, as the kernel wants no more than 512 bytes of stack. 0: there was no room. */
__noinline int io_gone_leave(__u32 slot, __u64 cgroup_id, __u64 parent_id) {
  if (slot >= IO_REMOVED) return 0;
  struct io_total *total = &io_gone[slot];
  add_io_left(cgroup_id, total->device, &total->counts);
  return !io_is_v1 || leave_io(cgroup_id, parent_id, total->device, &total->counts);
}

/*
 * Notes in io_gone what the cgroup did, if it is in the hierarchy of block I/O, and in v1 leaves it to the parent. How
 * many devices that are.
 */
static __always_inline __u32 take_io(__u64 cgroup, __u64 id, struct guest_status *status) {
  __u64 css = io_css(cgroup);
  __u32 filled = 0;

  io_gone_lost = 0;
  if (!css || !bpf_core_field_exists(struct blkcg_gq, iostat_cpu)) return 0;
  for (int slot = 0; slot < IO_REMOVED; slot++) io_gone[slot] = (struct io_total){};
  io_gone_walk_below(css);
  __u64 parent = css_parent(css);
  /* The root has no parent that reports it. */
  __u64 parent_id = parent && css_parent(parent) ? kernfs_id(css_kernfs_node(parent)) : 0;
  for (int slot = 0; slot < IO_REMOVED; slot++) {
    if (!io_gone[slot].device) break;
    if (!io_gone_leave(slot, id, parent_id)) __sync_fetch_and_add(&status->io_lost, 1);
    filled++;
  }
  return filled;
}

/*
 * What removed cgroups inside this one used may still be on its way up; they stay in the tree until it has arrived.
 * cgroup_mutex keeps the walk alone here.
 */
static __u64 sum[TIMES] __attribute__((used));

static __always_inline void visit_below(struct walk *walk) {
  read_unified(css_cgroup(walk->css));
  for (int i = 0; i < TIMES; i++) sum[i] += unified_time(i, walk->depth != 0);
}

DEFINE_WALK(below, visit_below)

/* Another's flush makes a sum too small: of two the larger. */
static __always_inline void unified_times(__u64 cgroup, struct cpu_record *record) {
  record->usage_ns = record->user_ns = record->system_ns = 0;
  for (int attempt = 0; attempt < 2; attempt++) {
    sum[TIME_USAGE] = sum[TIME_USER] = sum[TIME_SYSTEM] = 0;
    below_walk_below(FIELD(struct cgroup, cgroup, self));
    if (sum[TIME_USAGE] < record->usage_ns) continue;
    record->usage_ns = sum[TIME_USAGE];
    record->user_ns = sum[TIME_USER];
    record->system_ns = sum[TIME_SYSTEM];
  }
  shown_times(cgroup, record);
  record->kinds |= CPU_TIMES | CPU_UNIFIED;
}

/* Whether a record is of the container that is going, and can be added to. */
__weak __noinline int is_open_record(__u64 sequence, __u64 taken) {
  const __u32 slot = sequence % REMOVED_SLOTS;
  const struct removed_record *record = bpf_map_lookup_elem(&removed, &slot);

  if (!record || !sequence || sequence <= taken || record->sequence != sequence) return 0;
  for (int i = 0; i < CONTAINER_DIGITS / 8; i++)
    if (((const __u64 *)record->container)[i] != ((const __u64 *)going.id)[i]) return 0;
  return 1;
}

/* Puts the sequence of the container's record into `going`: of one that another hierarchy has begun, or a new one. */
static __always_inline void find_record(struct guest_status *status) {
  going.sequence = status->removals + 1;
  if (cpu_is_unified && memory_is_unified) return;
  /* Before user space's word is read that it has taken records: it waits for this to be 0 again. */
  __sync_fetch_and_add(&status->merging, 1);
  const __u64 last = status->removals;
  const __u64 taken = status->removals_taken;
  for (int back = 0; back < MERGE_RECORDS; back++) {
    if (!is_open_record(last - back, taken)) continue;
    going.sequence = last - back;
    return;
  }
}

/* Functions of their own, as the kernel wants no more than 512 bytes of stack for a function and those it calls. */
__weak __noinline int take_pressure(__u64 cgroup, __u32 slot) {
  struct removed_record *record = reads_pressure ? bpf_map_lookup_elem(&removed, &slot) : 0;
  if (!record) return 0;
  read_pressure(cgroup, &record->pressure);
  return 1;
}

__weak __noinline int take_cpu(__u64 cgroup, __u32 slot) {
  struct removed_record *record = bpf_map_lookup_elem(&removed, &slot);
  struct guest_status *status = guest_status();
  if (!record || !status) return 0;
  const __u32 before = record->cpu.kinds;
  record->cpu.kinds = 0;
  read_cpu(cgroup, &record->cpu);
  if (cpu_is_unified && is_unified(cgroup)) unified_times(cgroup, &record->cpu);
  if (record->cpu.kinds & CPU_TIMES) status->removed_cpu_ns += record->cpu.usage_ns;
  if (record->cpu.kinds) record->kinds |= REMOVED_CPU;
  record->cpu.kinds |= before;
  return 1;
}

__weak __noinline int take_memory(__u64 css, __u32 slot) {
  struct removed_record *record = bpf_map_lookup_elem(&removed, &slot);
  if (!record) return 0;
  record->stats = stat_index.known; /* before they are read */
  read_memory(CONTAINER(struct mem_cgroup, css, css), &record->memory);
  record->memory.id = kernfs_id(css_kernfs_node(css));
  add_stall_sum(record->memory.id, &record->memory);
  record->kinds |= REMOVED_MEMORY;
  return 1;
}

/* A cgroup that is removed has no task, so its counts are final. */
static __always_inline void take_virtiofs(__u64 id, struct removed_record *record) {
  const struct virtiofs_sums *sums = bpf_map_lookup_elem(&virtiofs_sums, &id);
  if (!sums) return;
  record->virtiofs = *sums;
  record->kinds |= REMOVED_VIRTIOFS;
  bpf_map_delete_elem(&virtiofs_sums, &id);
}

static __always_inline void take_hugetlb(__u64 cgroup, struct removed_record *record) {
  const __u64 css = hugetlb_css(cgroup);
  if (css && read_hugetlb(css, &record->hugetlb)) record->kinds |= REMOVED_HUGETLB;
}

static __always_inline void note_ids(__u64 cgroup, __u64 id, struct removed_record *record) {
  if (is_unified(cgroup)) record->ids[WALK_UNIFIED] = id;
#define NOTE_ID(walk, index) \
  if (index() >= 0 && cgroup_css(cgroup, index())) record->ids[walk] = id
  NOTE_ID(WALK_CPUACCT, cpuacct_index);
  NOTE_ID(WALK_MEMORY, memory_index);
  NOTE_ID(WALK_CPU, cpu_index);
  NOTE_ID(WALK_PIDS, pids_index);
  NOTE_ID(WALK_IO, io_index);
  NOTE_ID(WALK_HUGETLB, hugetlb_index);
  NOTE_ID(WALK_CPUSET, cpuset_index);
}

static __always_inline void begin_record(struct removed_record *record, const char *path) {
  for (int i = 0; i < HIERARCHIES; i++) record->ids[i] = 0;
  record->kinds = record->cpu.kinds = record->pressure.kinds = 0;
  record->io_devices = record->io_lost = 0;
  record->made_ns = 0;
  bpf_probe_read_kernel(record->container, sizeof(record->container), going.id);
  bpf_probe_read_kernel_str(record->path, sizeof(record->path), path);
}

/* The last values of a container: its cgroup was removed from one hierarchy. */
static __always_inline void take_container(__u64 cgroup, __u64 id, __u32 io_devices, const char *path,
                                           struct guest_status *status) {
  const __u64 name = kernfs_name(KREAD(struct cgroup, cgroup, kn));
  const __u64 memory = memory_index() < 0 ? 0 : cgroup_css(cgroup, memory_index());
  const __u32 id_begin = OWN(find_id)(name);

  if (!id_begin) return; /* is_check_cgroup() */
  bpf_probe_read_kernel(going.id, sizeof(going.id), (void *)(name + id_begin - 1));
  find_record(status);
  const __u32 slot = going.sequence % REMOVED_SLOTS;
  struct removed_record *record = bpf_map_lookup_elem(&removed, &slot);
  if (!record) return;
  record->sequence = 0;
  RECORD_IS_WHOLE();
  if (going.sequence > status->removals) begin_record(record, path);
  note_ids(cgroup, id, record);
  const __u64 made_ns = mkdir_time_of(cgroup, id);
  if (made_ns) record->made_ns = made_ns;
  take_cpu(cgroup, slot);
  if (cpu_is_unified && is_unified(cgroup)) take_pressure(cgroup, slot);
  if (memory) take_memory(memory, slot);
  take_hugetlb(cgroup, record);
  if (io_devices) {
    for (int i = 0; i < IO_REMOVED; i++) record->io[i] = io_gone[i];
    record->io_devices = io_devices;
    record->io_lost = io_gone_lost;
    record->kinds |= REMOVED_IO;
  }
  if (counts_virtiofs && is_mkdir_hierarchy(cgroup)) take_virtiofs(id, record);
  if (going.sequence > status->removals && !record->kinds) return; /* the next one gets the place */
  RECORD_IS_WHOLE();
  record->sequence = going.sequence;
  RECORD_IS_WHOLE();
  if (going.sequence > status->removals) status->removals = going.sequence;
}

/* v1 forgets the OOM kills of a cgroup with it: they become the container's. */
static __always_inline void leave_kills(__u64 memory, __u64 id, __u64 container) {
  const struct stall_sum *own = bpf_map_lookup_elem(&stall_sums, &id);
  const __u64 kills = oom_kills(CONTAINER(struct mem_cgroup, memory, css)) + (own ? own->nested_kills : 0);
  struct stall_sum *sum = kills ? stall_sum_of(container) : 0;
  if (sum) sum->nested_kills += kills;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(note_removal, struct cgroup *cgroup, const char *path) {
  const __u64 address = cgroup_address(cgroup);
  const __u64 memory = memory_index() < 0 ? 0 : cgroup_css(address, memory_index());
  const __u64 id = kernfs_id(KREAD(struct cgroup, address, kn));
  struct guest_status *status = guest_status();

  if (!status || !is_current(status)) return 0;
  const __u64 container = container_id_of(address);
  const __u32 io_devices = reads_io ? take_io(address, id, status) : 0;
  if (container == id) {
    take_container(address, id, io_devices, path, status);
    if (status->merging) status->merging = 0;
    bpf_map_delete_elem(&mkdir_times, &id);
  } else if (container && memory && !memory_is_unified) {
    leave_kills(memory, id, container);
  }
  if (memory) forget_stalls(id);
  return 0;
}

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
