/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_IO_BPF_H
#define KATAMETER_GUEST_IO_BPF_H

#include "bpf/guest/records.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/walk.bpf.h"

/*
 * cgroup v1 forgets the block I/O of a removed cgroup; here it is kept for the cgroup that it was in. v2 propagates it
 * by itself, so that nothing is added there. Declared as status_map is; sized before loading.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1);
  __type(key, struct io_key);
  __type(value, struct io_counts);
} io_left SEC(".maps") __weak;

/* Whether block I/O is counted in cgroup v1; set before loading. */
extern const volatile __u32 io_is_v1;

/* Adds what removed cgroups below have left. */
static __always_inline void add_io_left(__u64 cgroup_id, __u32 device, struct io_counts *counts) {
  const struct io_key key = {.cgroup_id = cgroup_id, .device = device};
  const struct io_counts *left = io_is_v1 ? bpf_map_lookup_elem(&io_left, &key) : 0;
  if (!left) return;
  for (int i = 0; i < IO_COUNTS; i++) counts->count[i] += left->count[i];
}

/*
 * A removed cgroup leaves `counts` to its parent, if that has an id. 0: there is no room. Under cgroup_mutex: it is the
 * only writer.
 */
static __always_inline int leave_io(__u64 cgroup_id, __u64 parent_id, __u32 device, const struct io_counts *counts) {
  const struct io_key own = {.cgroup_id = cgroup_id, .device = device};
  const struct io_key up = {.cgroup_id = parent_id, .device = device};
  struct io_counts sum = *counts;

  bpf_map_delete_elem(&io_left, &own);
  if (!parent_id) return 1;
  add_io_left(parent_id, device, &sum);
  return bpf_map_update_elem(&io_left, &up, &sum, BPF_ANY) == 0;
}

/*
 * Block I/O of a cgroup (block/blk-cgroup.c): each CPU counts the bios in `iostat_cpu`, whatever policies, rules and
 * limits there are. In cgroup v2 a flush, which readers of io.stat make, takes what the CPUs have counted to `iostat`
 * and on to the parent's (blkcg_rstat_flush). v1 never flushes. What a v1 kernel shows instead, blkio.throttle.*, is
 * the throttling policy's own count: of no bio at all where no rule is set (6.1), of split bios' bytes twice (5.10).
 *
 * Everything is read in the order opposite to a flush's: one in between makes a figure too small, never too large.
 */

/* The state of the io controller (v1: blkio) of a cgroup in its hierarchy; 0 if it is of another. */
static __always_inline __u64 io_css(__u64 cgroup) {
  return io_index() < 0 ? 0 : cgroup_css(cgroup, io_index());
}

/* The first of a cgroup's devices, and the one after; as list nodes. */
static __always_inline __u64 first_io_device(__u64 css) {
  __u64 blkcg = CONTAINER(struct blkcg, css, css);
  return KREAD(struct blkcg, blkcg, blkg_list);
}

static __always_inline __u64 next_io_device(__u64 node) {
  return KREAD(struct hlist_node, node, next);
}

static __always_inline __u64 io_device_at(__u64 node) {
  return CONTAINER(struct blkcg_gq, node, blkcg_node);
}

/* The number of the device; 0 if it is being added or taken away. */
static __always_inline __u32 io_device_number(__u64 blkg) {
  __u64 queue = KREAD(struct blkcg_gq, blkg, q);
  __u64 bdi = 0;
  __u32 number = 0;

  if (bpf_core_field_exists(struct gendisk, bdi)) {
    __u64 disk = KREAD(struct request_queue___disk, queue, disk);
    if (disk) bdi = KREAD(struct gendisk, disk, bdi);
  } else {
    bdi = KREAD(struct request_queue, queue, backing_dev_info);
  }
  __u64 owner = bdi ? KREAD(struct backing_dev_info, bdi, owner) : 0;
  if (owner) bpf_probe_read_kernel(&number, sizeof(number), (void *)FIELD(struct device, owner, devt));
  return number;
}

/* Reads come first in the kernel's rows, then writes, then discards. */
static __always_inline void read_iostat(__u64 iostat, struct io_counts *counts) {
  bpf_probe_read_kernel(&counts->count[IO_READ_BYTES], 3 * sizeof(__u64),
                        (void *)FIELD(struct blkg_iostat, iostat, bytes));
  bpf_probe_read_kernel(&counts->count[IO_READS], 2 * sizeof(__u64), (void *)FIELD(struct blkg_iostat, iostat, ios));
}

/* One device of a cgroup while it is read. */
struct io_part {
  struct io_counts own;        /* with what those below have propagated */
  struct io_counts propagated; /* the part of it that the parent's `own` has, too */
  __u64 flushed_sum;           /* what the CPUs have flushed so far, all counters: rises with each flush */
  struct io_counts of_cpu[2];  /* counted and flushed; here, for the kernel wants no more than 512 bytes of stack */
};

/* "used": see lib/walk.bpf.h. */
static struct io_part io_part __attribute__((used));

static __always_inline void add_iostat(__u64 offset, __u64 per_cpu, __u64 unused1, __u64 unused2) {
  struct io_counts *counted = &io_part.of_cpu[0], *flushed = &io_part.of_cpu[1];
  __u64 of_cpu = per_cpu + offset;

  read_iostat(FIELD(struct blkg_iostat_set, of_cpu, cur), counted);
  read_iostat(FIELD(struct blkg_iostat_set, of_cpu, last), flushed);
  for (int i = 0; i < IO_COUNTS; i++) {
    io_part.own.count[i] += counted->count[i] - flushed->count[i];
    io_part.flushed_sum += flushed->count[i];
  }
}

DEFINE_CPU_LOOP(iostat, add_iostat)

/*
 * Reads a device into io_part and gives its number; 0: there is nothing to read. A function of its own, so that the
 * verifier goes through it once and not once a device.
 */
__weak __noinline int OWN(read_io)(__u64 blkg) {
  if (!bpf_core_field_exists(struct blkcg_gq, iostat_cpu)) return 0;
  io_part.flushed_sum = 0;
  read_iostat(FIELD(struct blkg_iostat_set, FIELD(struct blkcg_gq, blkg, iostat), cur), &io_part.own);
  read_iostat(FIELD(struct blkg_iostat_set, FIELD(struct blkcg_gq, blkg, iostat), last), &io_part.propagated);
  iostat_on_cpus(KREAD(struct blkcg_gq, blkg, iostat_cpu), 0, 0);
  return (int)io_device_number(blkg);
}

/* Whether the removal of a cgroup has begun; note_removal has its last values from about then on. */
static __always_inline int is_dying(__u64 css) {
  return (KREAD(struct cgroup_subsys_state, css, flags) & CSS_DYING) != 0;
}

#ifdef KATAMETER_WALKS

/*
 * The walk of block I/O: a record for each device of each container. It is made together with that of memory, for it too
 * has to be made twice, and a program of its own would cost each Collect four system calls more.
 */

/* Whether this kernel counts block I/O where we look; set before loading. */
const volatile __u32 reads_io = 0;
const volatile __u32 io_is_v1 = 0;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* set before loading */
  __type(key, __u32);
  __type(value, struct io_record);
} io_records SEC(".maps");

static struct container_walk io_containers __attribute__((used));
static __u32 io_rows __attribute__((used));
static __u32 io_first_row __attribute__((used)); /* of the container */
static __u32 io_unseen __attribute__((used));    /* devices that found no room */

/* The index of the record of one device of a container. Adds a record if there is none; ~0: the map is full. */
__weak __noinline __u32 OWN(find_io_row)(__u32 device) {
  for (__u32 i = 0; i < IO_DEVICES; i++) {
    const __u32 row = io_first_row + i;
    if (row >= io_rows) break;
    const struct io_record *record = bpf_map_lookup_elem(&io_records, &row);
    if (record && record->device == device) return row;
  }
  const __u32 next = io_rows;
  struct io_record *record = next - io_first_row < IO_DEVICES ? bpf_map_lookup_elem(&io_records, &next) : 0;
  if (!record) {
    io_unseen++;
    return ~0U;
  }
  record->id = io_containers.id;
  record->device = device;
  for (int i = 0; i < IO_COUNTS; i++) record->counts.count[i] = 0;
  record->check = 0;
  io_rows = next + 1;
  return next;
}

/* Adds io_part to the container's record of the device. */
__weak __noinline int OWN(add_io)(__u32 device, __u64 cgroup_id, __u32 nested) {
  const __u32 row = OWN(find_io_row)(device);
  struct io_record *record = bpf_map_lookup_elem(&io_records, &row);
  if (!record) return 0;
  __u64 check = add_check(record->check, io_part.flushed_sum);
  add_io_left(cgroup_id, device, &io_part.own);
  for (int i = 0; i < IO_COUNTS; i++) {
    record->counts.count[i] += io_part.own.count[i] - (nested ? io_part.propagated.count[i] : 0);
    check = add_check(check, io_part.propagated.count[i]);
  }
  record->check = check;
  return 1;
}

static __always_inline void visit_io(struct walk *walk) {
  /* The root's is the whole guest's. One that is being removed: note_removal has, or will have, its last values. */
  if (walk->depth && is_dying(walk->css) && (io_is_v1 || walk->depth <= io_containers.depth || !io_containers.depth)) {
    walk->leave_out = 1;
    return;
  }
  const int found = find_row(walk, &io_containers, &io_records);
  if (found != VISIT_CONTAINER && found != VISIT_NESTED) return;
  if (found == VISIT_CONTAINER) io_first_row = io_rows;
  __u64 node = first_io_device(walk->css);
  for (int i = 0; i < IO_DEVICES && node; i++, node = next_io_device(node)) {
    const __u32 device = OWN(read_io)(io_device_at(node));
    if (device) OWN(add_io)(device, kernfs_id(css_kernfs_node(walk->css)), found == VISIT_NESTED);
  }
  if (node) io_unseen++;
}

DEFINE_WALK(io, visit_io)

/* How many records there are, and from bit 16 on how many found no room. */
static __always_inline __u32 walk_io(void) {
  if (!reads_io || !bpf_core_field_exists(struct blkcg_gq, iostat_cpu)) return 0;
  start_rows(&io_containers);
  io_rows = 0;
  io_first_row = 0;
  io_unseen = 0;
  io_walk_below(hierarchy_root(io_index()));
  return (io_rows & 0xffff) | (io_unseen > 0xffff ? 0xffff : io_unseen) << 16;
}

#endif /* KATAMETER_WALKS */

#endif
