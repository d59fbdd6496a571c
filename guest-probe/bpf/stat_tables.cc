#include "guest-probe/bpf/stat_tables.h"

#include <unistd.h>

#include <atomic>

#include "bpf/guest/records.h"

namespace katameter::guest {
namespace {

constexpr std::array<std::size_t, SPANS + 1> span_begins{STAT_ANON, STAT_SWAP, STAT_FAULTS, STAT_ITEMS};

std::size_t page_bytes() {
  return static_cast<std::size_t>(getpagesize());
}

}  // namespace

std::array<std::uint64_t, SPANS> spans_of(const StatIndices& indices) {
  std::array<std::uint64_t, SPANS> spans{};
  for (std::size_t span = 0; span < SPANS; ++span) {
    int lowest = -1;
    int highest = -1;
    for (std::size_t stat = span_begins[span]; stat < span_begins[span + 1]; ++stat) {
      if (indices[stat] < 0) continue;
      if (lowest < 0 || indices[stat] < lowest) lowest = indices[stat];
      if (indices[stat] > highest) highest = indices[stat];
    }
    const int count = highest - lowest + 1;
    if (lowest < 0 || count >= SPAN_ROOM) continue;
    spans[span] = static_cast<std::uint64_t>(lowest) << 32 | static_cast<std::uint64_t>(count);
  }
  return spans;
}

Result<StatIndexMap> StatIndexMap::map(const Fd& map) {
  Result<Mapping> mapping = Mapping::writable(map, page_bytes());
  if (!mapping) return failure_from(mapping.error());
  return StatIndexMap(*std::move(mapping));
}

StatIndices StatIndexMap::get() const {
  const auto& now = *reinterpret_cast<const volatile stat_index*>(mapping_.data());
  StatIndices indices{};
  for (std::size_t item = 0; item < STAT_ITEMS; ++item) indices[item] = now.of[item];
  return indices;
}

void StatIndexMap::set(const StatIndices& indices) {
  auto& now = *reinterpret_cast<volatile stat_index*>(mapping_.data());
  const std::array<std::uint64_t, SPANS> spans = spans_of(indices);
  for (std::size_t span = 0; span < SPANS; ++span) now.span[span] = 0;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (std::size_t item = 0; item < STAT_ITEMS; ++item) now.of[item] = indices[item];
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::uint32_t known = 0;
  for (std::size_t stat = 0; stat < STATS; ++stat) known |= indices[stat] < 0 ? 0 : std::uint32_t{1} << stat;
  for (std::size_t span = 0; span < SPANS; ++span) now.span[span] = spans[span];
  now.known = known;
}

Result<StatTables> StatTables::map(IterProgram copy_program, const Fd& copies) {
  static_assert(sizeof(stat_copy) <= 4096);
  Result<Mapping> mapping = Mapping::read_only(copies, page_bytes());
  if (!mapping) return failure_from(mapping.error());
  return StatTables(std::move(copy_program), *std::move(mapping));
}

Result<StatArrays> StatTables::read(Requests& requests, std::uint64_t cgroup_id) {
  const Result<std::uint64_t> items = copy_program_.run(requests, cgroup_id);
  if (!items) return failure_from(items.error(), "cannot copy the figures of memory.stat");
  const std::size_t pages = *items & 0xffff;
  const std::size_t events = *items >> 16 & 0xffff;
  if (pages == 0) return failure("there is no such memory cgroup");
  if (pages >= STAT_ROOM || events >= STAT_ROOM) return failure("this kernel has more figures than there is room for");
  const auto& copy = *reinterpret_cast<const stat_copy*>(copies_.data());
  return StatArrays{{copy.pages, copy.pages + pages}, {copy.events, copy.events + events}};
}

}  // namespace katameter::guest
