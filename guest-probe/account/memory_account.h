#pragma once

#include <cstdint>
#include <span>

#include "bpf/guest/records.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Memory figures of one container, in bytes; with the names of the wire's.
struct ContainerMemory {
  std::uint64_t cgroup_id = 0;
  wire::Figure usage_bytes;
  wire::Figure peak_bytes;
  wire::Figure limit_bytes;
  wire::Figure rss_bytes;
  wire::Figure cache_bytes;
  wire::Figure working_set_bytes;
  wire::Figure failcnt;
  wire::Figure oom_kills;
  wire::Figure mapped_file_bytes;
  wire::Figure active_file_bytes;
  wire::Figure inactive_file_bytes;
  wire::Figure swap_bytes;
  wire::Figure kernel_bytes;
  wire::Figure page_faults;
  wire::Figure major_page_faults;
  wire::Figure swap_limit_bytes;
  wire::Figure reservation_bytes;
  wire::Figure stalls;
  wire::Figure stall_ns;
};

/// Which figures the self-check found right; the others are left out.
struct MemoryFields {
  bool unified = false;  ///< cgroup v2, which keeps some figures elsewhere than v1
  bool usage = true;
  bool peak = true;
  bool limit = true;
  bool failcnt = true;
  bool oom_kills = true;
  bool rss = true;
  bool cache = true;
  bool inactive_file = true;
  bool active_file = true;
  bool mapped_file = true;
  bool swap = true;
  bool kernel = true;
  bool page_faults = true;
  bool major_page_faults = true;
  bool swap_limit = true;
  bool reservation = true;
  bool stalls = true;
};

/// The figures of one row. Exact pages = `stat` + `pending` (mm/memcontrol.c: a CPU hands in at more than 32 pages, to the
/// cgroup and all its ancestors).
ContainerMemory memory_figures(const memory_record& record, const MemoryFields& fields);

/// Puts the figures into a container's row.
void set_memory(wire::Container& row, const ContainerMemory& memory);

/// Whether nothing was handed in between two walks: the same containers with the same `stat` and `check`. Only then do
/// `stat` and `pending` of the second belong together.
bool walks_agree(std::span<const memory_record> first, std::span<const memory_record> second);

}  // namespace katameter
