/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_LIB_RECORDS_H
#define KATAMETER_LIB_RECORDS_H

/* What the helpers of lib/ agree on with C++: sizes, what is requested of a walk, and what a walk answers. */

enum {
  MAX_CPUS = 512,        /* numbers that a guest's CPUs can have: 0 to 511 */
  NAME_BYTES = 128,      /* one component of a cgroup path; "cri-containerd-<64 hex>.scope" has 86 */
  CONTAINER_DIGITS = 64, /* hex digits of a container's id */
  REQUESTS = 32,         /* lib/request.bpf.h: reads of one opened iterator */
};

/* Which controller's hierarchy a walk goes through. */
enum {
  WALK_CPUACCT = 0,
  WALK_MEMORY = 1,
  WALK_CPU = 2,
  WALK_PIDS = 3,
  WALK_UNIFIED = 4, /* cgroup v2: all its cgroups, whatever controllers they have */
  WALK_IO = 5,
  WALK_HUGETLB = 6,
  WALK_CPUSET = 7,
  HIERARCHIES,
};

/*
 * What a walk leaves (lib/walk.bpf.h): one record for the root, one for all containers together that found no
 * room, and one for each container, with all that is below it.
 */
enum {
  ROW_ROOT = 0,
  ROW_REST = 1,  /* sums of CPU time and memory usage; of the rest nothing is filled in */
  FIRST_ROW = 2, /* of the containers */
};

/* What a walk answers: how many rows there are, how many containers found no room, and whether it came to its end. */
enum {
  ANSWER_ROWS = 0xffff,
  ANSWER_LEFT_OVER_SHIFT = 16,
  ANSWER_MAX_LEFT_OVER = 0x7fff, /* so many, or more */
};
#define ANSWER_INCOMPLETE (1u << 31)

#endif
