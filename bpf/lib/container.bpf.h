/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_LIB_CONTAINER_BPF_H
#define KATAMETER_LIB_CONTAINER_BPF_H

#include "bpf/lib/cgroup.bpf.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/text.bpf.h"

/*
 * Which container a cgroup belongs to. A container's cgroup is called by the container's id, 64 hex digits, or
 * PREFIX-ID.scope with any prefix, as runtimes call it under systemd ("cri-containerd", "crio", "docker", "kata_agent");
 * but not where the prefix ends in "conmon": that is CRI-O's and Podman's monitor of a container. Of containers in each
 * other the outermost one counts.
 */

enum {
  NAME_PART = 64,        /* bytes of a name that are looked through at once */
  NAME_PARTS = 5,        /* NAME_MAX, and a 0 */
  CONTAINER_LEVELS = 32, /* a cgroup and those above it */
  CACHED_PLACES = 2048,  /* a power of 2 */
};

/*
 * Which container a cgroup belongs to. A hierarchy never gives an id twice, but another hierarchy may give the same one.
 * The address of the name distinguishes such cgroups. It also changes when a cgroup is renamed (v1).
 */
struct cgroup_place {
  __u64 id;
  __u64 name;      /* address */
  __u64 container; /* kernfs id of the container's cgroup; 0: none */
  __u64 seal;      /* of the three: two programs may write the same place at the same time */
};

/* A cache: the id of a cgroup selects its entry, and a later cgroup with that entry replaces it. Declared as status_map
 * is. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, CACHED_PLACES);
  __type(key, __u32);
  __type(value, struct cgroup_place);
} cgroup_places SEC(".maps") __weak;

static __always_inline __u32 place_of_id(__u64 id) {
  return (id * 0x9e3779b97f4a7c15ULL) >> 53;
}

static __always_inline __u64 seal_of(__u64 id, __u64 name, __u64 container) {
  return ((id * 0x9e3779b97f4a7c15ULL) ^ name) * 0xbf58476d1ce4e5b9ULL ^ container;
}

/* Characters of the text at an address; 0 where it is longer than a name may be. */
__weak __noinline __u32 OWN(text_length)(__u64 address) {
  char part[NAME_PART];

  for (__u32 i = 0; i < NAME_PARTS; i++) {
    const __u64 begin = i * (NAME_PART - 1);
    const long bytes = bpf_probe_read_kernel_str(part, sizeof(part), (void *)(address + begin));
    if (bytes <= 0) return 0;
    if (bytes < NAME_PART) return begin + bytes - 1; /* with the 0 */
  }
  return 0;
}

/*
 * Whether the name at an address is a container's: where in it the id begins, from 1 on; 0: it is not. It is not
 * copied anywhere: programs that run on several CPUs at once ask, too.
 */
__weak __noinline int OWN(find_id)(__u64 name) {
  __u32 end = OWN(text_length)(name);

  if (end >= CONTAINER_DIGITS + 6 && is_text(name + end - 6, ".scope", 6)) end -= 6;
  if (end < CONTAINER_DIGITS) return 0;
  const __u32 begin = end - CONTAINER_DIGITS;
  if (!is_id(name + begin)) return 0;
  if (begin && !is_text(name + begin - 1, "-", 1)) return 0;
  if (begin > 6 && is_text(name + begin - 7, "conmon", 6)) return 0;
  return begin + 1;
}

/* The cgroup on which guest-probe compares itself with the kernel's files has a row as a container has. */
static __always_inline int is_check_cgroup(__u64 name) {
  return is_text(name, "katamete", 7) && is_text(name + 8, "r-check-", 7);
}

/* As kept; ~0 if it is not. */
static __always_inline __u64 cached_container(__u64 id, __u64 name) {
  const __u32 place = place_of_id(id);
  const struct cgroup_place *kept = bpf_map_lookup_elem(&cgroup_places, &place);

  if (!kept || kept->id != id || kept->name != name) return ~0ULL;
  const __u64 container = kept->container;
  return kept->seal == seal_of(id, name, container) ? container : ~0ULL;
}

/* The kernfs id of the container's cgroup that a cgroup is or is in; 0: none. For cgroups that were not seen before. */
__weak __noinline __u64 OWN(find_container)(__u64 cgroup) {
  const __u64 node = KREAD(struct cgroup, cgroup, kn);
  const __u64 id = kernfs_id(node);
  const __u64 name = kernfs_name(node);
  const __u32 place = place_of_id(id);
  __u64 css = FIELD(struct cgroup, cgroup, self);
  __u64 container = 0;

  for (int level = 0; level < CONTAINER_LEVELS; level++) {
    const __u64 parent = css_parent(css);
    if (!parent) break; /* the root has no name */
    const __u64 at = css_kernfs_node(css);
    if (OWN(find_id)(kernfs_name(at)) || is_check_cgroup(kernfs_name(at))) container = kernfs_id(at);
    css = parent;
  }
  struct cgroup_place *kept = bpf_map_lookup_elem(&cgroup_places, &place);
  if (!kept) return container;
  kept->id = id;
  kept->name = name;
  kept->container = container;
  kept->seal = seal_of(id, name, container);
  return container;
}

static __always_inline __u64 container_id_of(__u64 cgroup) {
  const __u64 node = KREAD(struct cgroup, cgroup, kn);
  const __u64 kept = cached_container(kernfs_id(node), kernfs_name(node));
  return kept == ~0ULL ? OWN(find_container)(cgroup) : kept;
}

/* The hierarchy in which tasks are looked up (WALK_*); set before loading. */
extern const volatile __u32 tasks_hierarchy;

static __always_inline __u64 task_cgroup(__u64 task) {
  if (tasks_hierarchy != WALK_UNIFIED) return css_cgroup(task_css(task, hierarchy_index(tasks_hierarchy)));
  __u64 css_set = KREAD(struct task_struct, task, cgroups);
  return KREAD(struct css_set, css_set, dfl_cgrp);
}

/* The kernfs id of the container's cgroup that a task is in; 0: it is the guest system's. */
static __always_inline __u64 task_container(__u64 task) {
  return container_id_of(task_cgroup(task));
}

#endif
