/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0 */
#ifndef KATAMETER_STAT_PLACES_H
#define KATAMETER_STAT_PLACES_H

#include "bpf/records.h"

/* Figures that lie close together in an array are read at once, where each read is a call (read.bpf.h). */
enum {
  SPAN_PAGES,      /* STAT_ANON and on */
  SPAN_MORE_PAGES, /* STAT_SWAP and on */
  SPAN_EVENTS,     /* STAT_FAULTS and on */
  SPANS,
  SPAN_PLACES = 32, /* in one read, and one more */
};

/*
 * Where the kernel keeps the figures of memory.stat. At start find_stats (memory_stat.bpf.c) writes `place`; from then on
 * C++ writes, while the programs read. C++ takes a span away before it changes a place that is in it.
 */
struct stat_places {
  __s32 place[STATS]; /* position of each STAT_* in the kernel's arrays; -1: it is not known, or in none */
  __u32 known;        /* a bit for each that is */
  __u64 span[SPANS];  /* the first position of a span << 32 | its positions; 0: the figures are read one by one */
};

#endif
