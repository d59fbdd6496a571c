#include "guest-probe/account/memory_account.h"

#include <unistd.h>

#include <algorithm>

namespace katameter {
namespace {

std::uint64_t page_bytes() {
  static const auto bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// PAGE_COUNTER_MAX (include/linux/page_counter.h) is what "no limit" is in pages.
bool is_limit(std::uint64_t pages) {
  return pages < static_cast<std::uint64_t>(INT64_MAX) / page_bytes();
}

wire::Figure pages_if(bool known, std::int64_t pages) {
  if (!known) return std::nullopt;
  // A counter read while another CPU hands in may be short by what is on its way; there is no negative memory.
  return static_cast<std::uint64_t>(std::max<std::int64_t>(pages, 0)) * page_bytes();
}

wire::Figure count_if(bool known, std::uint64_t count) {
  return known ? wire::Figure(count) : std::nullopt;
}

wire::Figure events_if(bool known, std::int64_t events) {
  return count_if(known, static_cast<std::uint64_t>(std::max<std::int64_t>(events, 0)));
}

std::int64_t as_signed(std::uint64_t pages) {
  return static_cast<std::int64_t>(pages);
}

wire::Figure limit_if(bool known, std::uint64_t pages) {
  return pages_if(known && is_limit(pages), as_signed(pages));
}

}  // namespace

ContainerMemory memory_figures(const memory_record& record, const MemoryFields& fields) {
  ContainerMemory memory;
  memory.cgroup_id = record.id;
  const std::int64_t usage = as_signed(record.usage_pages);
  memory.usage_bytes = pages_if(fields.usage, usage);
  memory.peak_bytes = pages_if(fields.peak, as_signed(record.peak_pages));
  memory.limit_bytes = limit_if(fields.limit, record.limit_pages);
  memory.failcnt = count_if(fields.failcnt, record.failcnt);
  memory.oom_kills = count_if(fields.oom_kills, record.oom_kills);
  const auto exact = [&](std::size_t stat) { return record.stat[stat] + record.pending[stat]; };
  memory.rss_bytes = pages_if(fields.rss, exact(STAT_ANON));
  memory.cache_bytes = pages_if(fields.cache, exact(STAT_FILE));
  memory.working_set_bytes = pages_if(fields.usage && fields.inactive_file, usage - exact(STAT_INACTIVE_FILE));
  memory.mapped_file_bytes = pages_if(fields.mapped_file, exact(STAT_MAPPED_FILE));
  memory.active_file_bytes = pages_if(fields.active_file, exact(STAT_ACTIVE_FILE));
  memory.inactive_file_bytes = pages_if(fields.inactive_file, exact(STAT_INACTIVE_FILE));
  memory.page_faults = events_if(fields.page_faults, exact(STAT_FAULTS));
  memory.major_page_faults = events_if(fields.major_page_faults, exact(STAT_MAJOR_FAULTS));
  memory.swap_bytes = pages_if(fields.swap, fields.unified ? as_signed(record.swap_pages) : exact(STAT_SWAP));
  memory.kernel_bytes = pages_if(fields.kernel, fields.unified ? exact(STAT_KERNEL) : as_signed(record.kernel_pages));
  const std::uint64_t reservation = fields.unified ? record.min_pages : record.soft_limit_pages;
  memory.reservation_bytes = limit_if(fields.reservation, reservation);
  memory.stalls = count_if(fields.stalls, record.stalls);
  memory.stall_ns = count_if(fields.stalls, record.stall_ns);
  memory.swap_limit_bytes = limit_if(fields.swap_limit, record.swap_limit_pages);
  return memory;
}

void set_memory(wire::Container& row, const ContainerMemory& memory) {
  row.memory_usage_bytes = memory.usage_bytes;
  row.memory_peak_bytes = memory.peak_bytes;
  row.memory_limit_bytes = memory.limit_bytes;
  row.memory_rss_bytes = memory.rss_bytes;
  row.memory_cache_bytes = memory.cache_bytes;
  row.memory_working_set_bytes = memory.working_set_bytes;
  row.memory_failcnt = memory.failcnt;
  row.oom_kills = memory.oom_kills;
  row.memory_mapped_file_bytes = memory.mapped_file_bytes;
  row.memory_active_file_bytes = memory.active_file_bytes;
  row.memory_inactive_file_bytes = memory.inactive_file_bytes;
  row.memory_swap_bytes = memory.swap_bytes;
  row.memory_kernel_bytes = memory.kernel_bytes;
  row.page_faults = memory.page_faults;
  row.major_page_faults = memory.major_page_faults;
  row.memory_swap_limit_bytes = memory.swap_limit_bytes;
  row.memory_reservation_bytes = memory.reservation_bytes;
  row.memory_stalls = memory.stalls;
  row.memory_stall_ns = memory.stall_ns;
}

bool walks_agree(std::span<const memory_record> first, std::span<const memory_record> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const memory_record& a, const memory_record& b) {
                      return a.id == b.id && a.check == b.check && std::equal(a.stat, a.stat + STATS, b.stat);
                    });
}

}  // namespace katameter
