#include "guest-probe/account/memory.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "guest-probe/account/containers.h"
#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {
namespace {

template <bool unified>
constexpr bool is_of_stat(std::size_t figure) {
  return stat_of(figure, unified) >= 0;
}

std::uint64_t page_bytes() {
  static const auto bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// PAGE_COUNTER_MAX (include/linux/page_counter.h) is what "no limit" is in pages.
wire::Figure limit_bytes(std::uint64_t pages) {
  if (pages >= static_cast<std::uint64_t>(INT64_MAX) / page_bytes()) return std::nullopt;
  return pages * page_bytes();
}

template <bool unified>
void set_stats(wire::Container& row, const memory_record& record, const FigureSet& served) {
  for (const std::size_t figure : figures_where<&is_of_stat<unified>>) {
    if (!served.has(figure)) continue;
    const auto stat = static_cast<std::size_t>(stat_of(figure, unified));
    // A counter read while another CPU flushes may be short by what is on its way; there is no negative memory.
    const std::int64_t exact = std::max<std::int64_t>(record.stat[stat] + record.pending[stat], 0);
    const auto value = static_cast<std::uint64_t>(exact) * stat_unit(stat, page_bytes());
    row.*wire::container_figures[figure].value = value;
  }
}

constexpr bool is_of_events(std::size_t figure) {
  const FigureFile& file = file_of(figure, true);
  if (file.name == nullptr || figure_sources[figure].index < 0) return false;
  return std::string_view(file.name) == "memory.events" || std::string_view(file.name) == "memory.swap.events";
}

void set_events(wire::Container& row, const memory_record& record, const FigureSet& served) {
  for (const std::size_t figure : figures_where<&is_of_events>) {
    const std::uint64_t count = record.events[figure_sources[figure].index];
    if (served.has(figure) && count != EVENT_NOT_COUNTED) row.*wire::container_figures[figure].value = count;
  }
}

template <typename Raise>
void raise_row(wire::Container& row, const Raise& raise) {
  constexpr auto& figures = figures_where<&is_memory_counter>;
  std::array<std::uint64_t, figures.size()> counters{};
  for (std::size_t i = 0; i < figures.size(); ++i) {
    counters[i] = (row.*wire::container_figures[figures[i]].value).value_or(0);
  }
  raise(counters);
  for (std::size_t i = 0; i < figures.size(); ++i) {
    wire::Figure& value = row.*wire::container_figures[figures[i]].value;
    if (value) value = counters[i];
  }
}

// Of the victim's cgroup, or of the one that is `level` above it.
std::string path_of(const oom_record& record, std::uint32_t above = 0) {
  std::string path;
  const std::uint32_t names = std::min<std::uint32_t>(record.names, OOM_NAMES);
  for (std::uint32_t level = names; level-- > above;) {
    const char* name = record.name[level];
    path += "/" + printable({name, strnlen(name, NAME_BYTES)});
  }
  return path.empty() ? "/" : path;
}

void set_class(wire::OomEvent& event, const oom_record& record) {
  if (record.oom_class == OOM_CLASS_GUEST) event.oom_class = wire::OomClass::guest;
  if (record.oom_class != OOM_CLASS_LIMIT) return;
  event.limit_cgroup = path_of(record, record.over_level);
  event.limit_usage_bytes = record.over_usage_pages * page_bytes();
  event.limit_bytes = limit_bytes(record.over_limit_pages).value_or(0);
  const bool in_container = container_of_path(event.limit_cgroup).has_value();
  event.oom_class = !event.container ? wire::OomClass::other_limit
                    : in_container   ? wire::OomClass::container_limit
                                     : wire::OomClass::pod_limit;
}

}  // namespace

void set_memory(wire::Container& row, const memory_record& record, const FigureSet& served, bool unified) {
  const std::uint64_t page = page_bytes();
  set_figure<figure::memory_usage_bytes>(row, served, record.usage_pages * page);
  set_figure<figure::memory_peak_bytes>(row, served, record.peak_pages * page);
  set_figure<figure::memory_limit_bytes>(row, served, limit_bytes(record.limit_pages));
  set_figure<figure::memory_swap_limit_bytes>(row, served, limit_bytes(record.swap_limit_pages));
  set_figure<figure::memory_reservation_bytes>(row, served,
                                               limit_bytes(unified ? record.min_pages : record.soft_limit_pages));
  set_figure<figure::memory_failcnt>(row, served, record.failcnt);
  set_figure<figure::oom_kills>(row, served, record.oom_kills);
  set_figure<figure::memory_stalls>(row, served, record.stalls);
  set_figure<figure::memory_stall_ns>(row, served, record.stall_ns);
  set_figure<figure::memory_swap_peak_bytes>(row, served, record.swap_peak_pages * page);
  if (unified) {
    set_events(row, record, served);
    set_figure<figure::memory_swap_bytes>(row, served, record.swap_pages * page);
    set_stats<true>(row, record, served);
  } else {
    set_figure<figure::memory_swap_max_events>(row, served, record.swap_failcnt);
    set_figure<figure::memory_kernel_bytes>(row, served, record.kernel_pages * page);
    set_stats<false>(row, record, served);
  }
  // It has no counter of its own; so far it is the inactive file pages that are not part of it.
  if (wire::Figure& working_set = row.memory_working_set_bytes) {
    const std::uint64_t inactive = *working_set;
    working_set = row.memory_usage_bytes;
    if (working_set) *working_set -= std::min(inactive, *working_set);
  }
}

void set_hugetlb(wire::Container& row, const hugetlb_counts& counts, const FigureSet& served) {
  const auto value_of = [&](std::size_t figure, std::size_t size) { return counts.value[figure + size]; };
  for (const std::size_t figure : figures_where<&is_in_group<FigureGroup::hugetlb>>) {
    const auto index = static_cast<std::size_t>(figure_sources[figure].index);
    const std::size_t size = index % HUGE_SIZES;
    const bool known =
        (value_of(HUGETLB_USAGE, size) | value_of(HUGETLB_PEAK, size) | value_of(HUGETLB_FAILCNT, size)) != 0;
    if (!known || !served.has(figure)) continue;
    row.*wire::container_figures[figure].value = counts.value[index] * (index < HUGETLB_FAILCNT ? page_bytes() : 1);
  }
}

void set_numa(wire::Container& row, const numa_record& record, const FigureSet& served) {
  set_figures<FigureGroup::numa>(
      row, served, [&](std::size_t index) { return record.pages[index / NUMA_TYPES][index % NUMA_TYPES]; });
}

void MemoryCounters::raise(std::uint64_t cgroup_id, wire::Container& row) {
  raise_row(row, [&](auto& counters) { counters_.raise(cgroup_id, counters); });
}

void MemoryCounters::raise_removed(std::uint64_t cgroup_id, wire::Container& row) const {
  raise_row(row, [&](auto& counters) { counters_.raise_removed(cgroup_id, counters); });
}

bool walks_agree(std::span<const memory_record> first, std::span<const memory_record> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const memory_record& a, const memory_record& b) {
                      return a.id == b.id && a.check == b.check && std::equal(a.stat, a.stat + STATS, b.stat);
                    });
}

wire::OomEvent make_oom_event(const oom_record& record) {
  const std::uint64_t page = page_bytes();
  wire::OomEvent event;
  event.sequence = record.sequence;
  event.boottime_ns = record.boottime_ns;
  event.cgroup = path_of(record);
  if (const auto place = container_of_path(event.cgroup)) event.container = place->id;
  event.victim_pid = record.victim_tgid;
  event.victim_comm = printable({record.comm, strnlen(record.comm, sizeof(record.comm))});
  event.victim_anon_bytes = record.anon_pages * page;
  event.victim_file_bytes = record.file_pages * page;
  event.victim_shmem_bytes = record.shmem_pages * page;
  event.memory_usage_bytes = record.usage_pages * page;
  event.memory_limit_bytes = limit_bytes(record.limit_pages).value_or(0);
  set_class(event, record);
  return event;
}

}  // namespace katameter::guest
