#include "guest-probe/account/unified_account.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace katameter {
namespace {

using Times = std::array<std::uint64_t, TIMES>;

void set_times(cpu_record& record, const Times& times) {
  record.usage_ns = times[TIME_USAGE];
  record.user_ns = times[TIME_USER];
  record.system_ns = times[TIME_SYSTEM];
  record.kinds |= CPU_TIMES;
}

}  // namespace

std::vector<cpu_record> sum_unified(std::span<const unified_record> walk) {
  std::vector<Times> sums(walk.size());
  std::vector<std::size_t> path;  // positions of the current record's ancestors
  for (std::size_t i = 0; i < walk.size(); ++i) {
    const unified_record& record = walk[i];
    path.resize(std::min<std::size_t>(path.size(), record.cpu.node.depth));
    for (std::size_t time = 0; time < TIMES; ++time) {
      const std::uint64_t own = record.flushed[time] + record.pending[time];
      sums[i][time] += own;
      for (const std::size_t ancestor : path) sums[ancestor][time] += own - record.handed_up[time];
    }
    path.push_back(i);
  }
  std::vector<cpu_record> records;
  records.reserve(walk.size());
  for (std::size_t i = 0; i < walk.size(); ++i) {
    records.push_back(walk[i].cpu);
    if (walk[i].cpu.node.depth > 0) set_times(records.back(), sums[i]);
  }
  return records;
}

bool is_complete(std::span<const unified_record> walk, std::size_t visited) {
  return walk.size() == visited && !walk.empty() && walk.front().descendants + 1 == visited;
}

bool walks_agree(std::span<const unified_record> first, std::span<const unified_record> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const unified_record& a, const unified_record& b) {
                      return a.cpu.node.id == b.cpu.node.id && a.taken_ns == b.taken_ns &&
                             std::equal(a.flushed, a.flushed + TIMES, b.flushed) &&
                             std::equal(a.handed_up, a.handed_up + TIMES, b.handed_up);
                    });
}

}  // namespace katameter
