// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The requests that each container makes of virtiofs. No counter of the kernel's has them: FUSE has no cgroup writeback
 * and charges no I/O to a cgroup.
 *
 * note_request: counts a request, its kind and bytes, for the container of the task that makes it.
 *
 * Hook:    tp_btf/fuse_request_send: the task that makes the request runs. Background requests are sent under bg_lock.
 *          FORGET has no tracepoint.
 * Rate:    once per request of any FUSE mount; of others than virtiofs nothing is counted.
 * Costs:   820 instructions a request with note_answer, 322 without; 2,626 and 1,973 without the JIT (bpf_stats, 6.18, a
 *          clock that counts instructions; docs/cost.md).
 * Kernels: 6.12 and later (396b209e405a), with virtiofs built in. With and without the JIT.
 * Without: no container has a figure of virtiofs.
 *
 * note_answer: counts a request's time, bytes and errors when it has been answered.
 *
 * Hook:    tp_btf/fuse_request_end, in a kworker; so whose the request is was stored by note_request. `args` may be gone:
 *          they are on the stack of the task that has waited.
 * Rate:    as note_request.
 * Costs:   728 instructions a request, some 9 of them for the histogram; 2,066 without the JIT, before it had one (as above).
 * Kernels: as note_request; without the JIT on request only.
 * Without: times, errors and requests in flight are absent, and the bytes of reads are those that were asked for, beyond
 *          the end of a file too.
 *
 * A kernel of 7.x can skip a program that another task has interrupted, and counts this (recursion_misses). A request whose
 * sending was skipped is counted at its end, as one whose owner is not known; `virtiofs_lost` counts both cases.
 */
#include "bpf/guest/virtiofs.bpf.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/kernel_fuse.h"
#include "bpf/lib/container.bpf.h"
#include "bpf/lib/task.bpf.h"

/* include/uapi/linux/fuse.h */
enum {
  FUSE_LOOKUP = 1,
  FUSE_GETATTR = 3,
  FUSE_READLINK = 5,
  FUSE_OPEN = 14,
  FUSE_READ = 15,
  FUSE_WRITE = 16,
  FUSE_RELEASE = 18,
  FUSE_FSYNC = 20,
  FUSE_FLUSH = 25,
  FUSE_OPENDIR = 27,
  FUSE_READDIR = 28,
  FUSE_RELEASEDIR = 29,
  FUSE_FSYNCDIR = 30,
  FUSE_ACCESS = 34,
  FUSE_CREATE = 35,
  FUSE_READDIRPLUS = 44,
  FUSE_SYNCFS = 50,
  FUSE_TMPFILE = 51,
  FUSE_STATX = 52,
};

enum {
  VIRTIOFS_REQUESTS = 2048, /* in flight at once */
  VIRTIOFS_PLACES = 1024,   /* a power of 2 */
  OUT_HEADER = 16,          /* struct fuse_out_header */
  WRITE_HEADERS = 40 + 40,  /* struct fuse_in_header and fuse_write_in, before the data of a FUSE_WRITE */
  PAGE_MEMCG_FLAGS = 7,     /* bits of folio.memcg_data that are not of the pointer */
};

/* Owners that are not containers. */
#define OWNER_SYSTEM 0
#define OWNER_UNKNOWN (~0ULL)

/* Set before loading: guest/virtiofs.bpf.h, and whether note_answer is loaded. */
const volatile __u32 counts_virtiofs = 0;
const volatile __u32 counts_answers = 0;

struct virtiofs_request {
  __u64 owner; /* a container's id, or OWNER_* */
  __u64 ns;    /* CLOCK_MONOTONIC when it was sent */
};

/* The requests in flight, by the address of their struct fuse_req: before 6.18 they have no number yet when they are sent.
 * Preallocated: a tracepoint cannot wait for memory. Sized before loading. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, VIRTIOFS_REQUESTS);
  __type(key, __u64);
  __type(value, struct virtiofs_request);
} virtiofs_requests SEC(".maps");

/*
 * As cgroup_places (lib/container.bpf.h), for cgroups of v2 alone: their id is enough, and no field of the kernel's has to
 * be read for it, which without the JIT takes longer than all the rest.
 */
struct virtiofs_place {
  __u64 id;
  __u64 container;
  __u64 seal;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, VIRTIOFS_PLACES);
  __type(key, __u32);
  __type(value, struct virtiofs_place);
} virtiofs_places SEC(".maps");

#define OPCODE(name) (1ULL << FUSE_##name)

static __always_inline __u32 kind_of(__u32 opcode) {
  if (opcode == FUSE_READ) return VIRTIOFS_READ;
  if (opcode == FUSE_WRITE) return VIRTIOFS_WRITE;
  if (opcode > 63) return VIRTIOFS_OTHER;
  const __u64 is = 1ULL << opcode;
  if (is & (OPCODE(LOOKUP) | OPCODE(GETATTR) | OPCODE(STATX) | OPCODE(ACCESS) | OPCODE(READLINK)))
    return VIRTIOFS_LOOKUP;
  if (is & (OPCODE(OPEN) | OPCODE(CREATE) | OPCODE(OPENDIR) | OPCODE(TMPFILE))) return VIRTIOFS_OPEN;
  /* close() sends a FLUSH, and the last one of a file a RELEASE. */
  if (is & (OPCODE(FLUSH) | OPCODE(RELEASE) | OPCODE(RELEASEDIR))) return VIRTIOFS_CLOSE;
  if (is & (OPCODE(READDIR) | OPCODE(READDIRPLUS))) return VIRTIOFS_READDIR;
  if (is & (OPCODE(FSYNC) | OPCODE(FSYNCDIR) | OPCODE(SYNCFS))) return VIRTIOFS_SYNC;
  return VIRTIOFS_OTHER;
}

static __always_inline int is_virtiofs(const struct fuse_req *req) {
  if (bpf_core_field_exists(struct fuse_req___chan, chan))
    return ((const struct fuse_req___chan *)req)->chan->iq.priv != 0;
  return req->fm->fc->iq.priv != 0;
}

/* The current task's container; OWNER_SYSTEM: it is in none. */
static __always_inline __u64 current_owner(void) {
  if (tasks_hierarchy != WALK_UNIFIED) return task_container(bpf_get_current_task());
  const __u64 id = bpf_get_current_cgroup_id();
  const __u32 at = place_of_id(id) & (VIRTIOFS_PLACES - 1);
  struct virtiofs_place *place = bpf_map_lookup_elem(&virtiofs_places, &at);
  if (!place) return OWNER_UNKNOWN;
  __u64 container = *(const volatile __u64 *)&place->container;
  if (place->id == id && place->seal == seal_of(id, 0, container)) return container;
  container = OWN(find_container)(task_cgroup(bpf_get_current_task()));
  place->id = id;
  place->container = container;
  place->seal = seal_of(id, 0, container);
  return container;
}

/* The cgroup of the memory cgroup at an address; 0: another object is there. */
static __always_inline __u64 cgroup_of_memory(__u64 memcg) {
  const __u64 css = FIELD(struct mem_cgroup, memcg, css);
  const __u64 cgroup = memcg && memory_index() >= 0 ? css_cgroup(css) : 0;
  return cgroup && cgroup_css(cgroup, memory_index()) == css ? cgroup : 0;
}

/*
 * The owner of a request by which a kernel thread writes pages back: the container that the first page is charged to.
 * Before 6.16 FUSE wrote copies of the pages, which are not charged. A removed container does not get an entry again. With
 * cgroup v1 the owner is not known: the memory cgroup and the container in the hierarchy of tasks have different ids.
 */
__weak __noinline __u64 writeback_owner(__u64 args) {
  if (!bpf_core_field_exists(struct fuse_args_pages, folios) || tasks_hierarchy != WALK_UNIFIED) return OWNER_UNKNOWN;
  const __u64 folios = KREAD(struct fuse_args_pages, CONTAINER(struct fuse_args_pages, args, args), folios);
  const __u64 folio = folios ? read_u64(folios) : 0;
  if (!folio || !bpf_core_field_exists(struct folio, memcg_data)) return OWNER_UNKNOWN;
  const __u64 owner = KREAD(struct folio, folio, memcg_data) & ~(__u64)PAGE_MEMCG_FLAGS;
  if (!owner) return OWNER_UNKNOWN;
  __u64 cgroup = cgroup_of_memory(owner);
  if (!cgroup && bpf_core_field_exists(struct obj_cgroup, memcg))
    cgroup = cgroup_of_memory(KREAD(struct obj_cgroup, owner, memcg));
  if (!cgroup || !is_unified(cgroup) || !css_is_online(FIELD(struct cgroup, cgroup, self))) return OWNER_UNKNOWN;
  return container_id_of(cgroup);
}

static __always_inline __u64 owner_of(const struct fuse_req *req, __u32 opcode) {
  if (opcode == FUSE_WRITE && (bpf_get_current_task_btf()->flags & PF_KTHREAD))
    return writeback_owner(read_u64(FIELD(struct fuse_req, (__u64)req, args)));
  return current_owner();
}

/* Where an owner's requests are counted; 0: a container has no entry. */
static __always_inline struct virtiofs_sums *find_sums(struct guest_status *status, const __u64 *owner) {
  if (*owner == OWNER_SYSTEM) return &status->virtiofs[VIRTIOFS_OF_SYSTEM];
  if (*owner == OWNER_UNKNOWN) return &status->virtiofs[VIRTIOFS_OF_UNKNOWN];
  return bpf_map_lookup_elem(&virtiofs_sums, owner);
}

/* The same for a request that is sent: a container gets an entry. One that finds no room is not known. */
static __always_inline struct virtiofs_sums *make_sums(struct guest_status *status, __u64 *owner) {
  struct virtiofs_sums *sums = find_sums(status, owner);
  if (sums) return sums;
  struct virtiofs_sums none = {};
  /* Another CPU may have been faster; then its entry is the one. */
  bpf_map_update_elem(&virtiofs_sums, owner, &none, BPF_NOEXIST);
  sums = bpf_map_lookup_elem(&virtiofs_sums, owner);
  if (sums) return sums;
  *owner = OWNER_UNKNOWN;
  return &status->virtiofs[VIRTIOFS_OF_UNKNOWN];
}

static __always_inline void add(struct virtiofs_sums *sums, __u32 figure, __u64 value) {
  __sync_fetch_and_add(&sums->value[figure], value);
}

/* A page in the host's page cache takes less than the first, its disk some of the next, and a host that hangs the last. */
static __always_inline __u32 duration_of(__u64 ns) {
  if (ns <= 100 * 1000) return VIRTIOFS_UP_TO_100US;
  if (ns <= 1000 * 1000) return VIRTIOFS_UP_TO_1MS;
  if (ns <= 10 * 1000 * 1000) return VIRTIOFS_UP_TO_10MS;
  if (ns <= 100 * 1000 * 1000) return VIRTIOFS_UP_TO_100MS;
  return ns <= 1000 * 1000 * 1000 ? VIRTIOFS_UP_TO_1S : VIRTIOFS_OVER_1S;
}

static __always_inline __u64 written_bytes(const struct fuse_req *req) {
  const __u32 bytes = req->in.h.len;
  return bytes > WRITE_HEADERS ? bytes - WRITE_HEADERS : 0;
}

static __always_inline __u64 read_bytes(const struct fuse_req *req) {
  const __u32 bytes = req->out.h.len;
  return bytes > OUT_HEADER ? bytes - OUT_HEADER : 0;
}

/*
 * Stores when the request was sent, and its owner. 0: the table is full, and note_answer counts the request. If there is
 * an entry of this address already, note_answer was skipped for the request that had it.
 */
static __always_inline int store_request(const struct fuse_req *req, __u64 owner, struct guest_status *status) {
  const struct virtiofs_request sent = {.owner = owner, .ns = bpf_ktime_get_ns()};
  const __u64 key = (__u64)req;

  if (!bpf_map_update_elem(&virtiofs_requests, &key, &sent, BPF_NOEXIST)) return 1;
  struct virtiofs_request *ended = bpf_map_lookup_elem(&virtiofs_requests, &key);
  if (!ended) return 0;
  const __u64 before = ended->owner;
  struct virtiofs_sums *sums = find_sums(status, &before);
  if (sums) add(sums, VIRTIOFS_IN_FLIGHT, -1);
  __sync_fetch_and_add(&status->virtiofs_lost, 1);
  *ended = sent;
  return 1;
}

SEC("tp_btf/fuse_request_send")
int BPF_PROG(note_request, const struct fuse_req *req) {
  struct guest_status *status = guest_status();

  if (!status || !is_current(status) || !is_virtiofs(req)) return 0;
  const __u32 opcode = req->in.h.opcode;
  __u64 owner = owner_of(req, opcode);
  struct virtiofs_sums *sums = make_sums(status, &owner);
  if (counts_answers) {
    if (!store_request(req, owner, status)) return 0;
    add(sums, VIRTIOFS_IN_FLIGHT, 1);
  } else if (opcode == FUSE_READ) {
    add(sums, VIRTIOFS_READ_BYTES, req->args->out_args[0].size);
  } else if (opcode == FUSE_WRITE) {
    add(sums, VIRTIOFS_WRITTEN_BYTES, written_bytes(req));
  }
  add(sums, kind_of(opcode) & (VIRTIOFS_KINDS - 1), 1);
  return 0;
}

SEC("tp_btf/fuse_request_end")
int BPF_PROG(note_answer, const struct fuse_req *req) {
  struct guest_status *status = guest_status();
  const __u64 key = (__u64)req;
  /* Else it would be read from the key, which is a mere number to the verifier of 6.12 once a helper was given it. */
  barrier_var(req);
  struct virtiofs_request *sent = bpf_map_lookup_elem(&virtiofs_requests, &key);
  const __u32 kind = kind_of(req->in.h.opcode);
  const int failed = req->out.h.error != 0;

  if (!status || !is_current(status) || (!sent && !is_virtiofs(req))) return 0;
  __u64 owner = sent ? sent->owner : OWNER_UNKNOWN;
  const __u64 ns = sent ? bpf_ktime_get_ns() - sent->ns : 0;
  if (sent) bpf_map_delete_elem(&virtiofs_requests, &key);
  struct virtiofs_sums *sums = find_sums(status, &owner);
  if (!sums) return 0; /* the container is gone */
  if (sent) {
    add(sums, VIRTIOFS_IN_FLIGHT, -1);
    add(sums, duration_of(ns), 1);
  } else {
    __sync_fetch_and_add(&status->virtiofs_lost, 1);
    add(sums, kind & (VIRTIOFS_KINDS - 1), 1);
  }
  if (kind == VIRTIOFS_READ) {
    add(sums, VIRTIOFS_READ_NS, ns);
    if (failed) add(sums, VIRTIOFS_READ_ERRORS, 1);
    if (!failed) add(sums, VIRTIOFS_READ_BYTES, read_bytes(req));
  } else if (kind == VIRTIOFS_WRITE) {
    add(sums, VIRTIOFS_WRITE_NS, ns);
    if (failed) add(sums, VIRTIOFS_WRITE_ERRORS, 1);
    if (!failed) add(sums, VIRTIOFS_WRITTEN_BYTES, written_bytes(req));
  } else if (kind == VIRTIOFS_SYNC) {
    add(sums, VIRTIOFS_SYNC_NS, ns);
    if (failed) add(sums, VIRTIOFS_SYNC_ERRORS, 1);
  } else {
    add(sums, VIRTIOFS_METADATA_NS, ns);
  }
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
