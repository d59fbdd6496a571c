#include "guest-probe/account/rising_faults.h"

#include <algorithm>
#include <utility>

namespace katameter {
namespace {

void raise(wire::Figure& figure, std::uint64_t last) {
  if (figure) figure = std::max(*figure, last);
}

void raise(memory_record& record, int stat, std::uint64_t last) {
  const auto least = static_cast<std::int64_t>(last) - record.pending[stat];
  record.stat[stat] = std::max<std::int64_t>(record.stat[stat], least);
}

}  // namespace

void RisingFaults::begin() {
  last_ = std::exchange(now_, {});
}

void RisingFaults::keep(ContainerMemory& memory) {
  if (const auto last = last_.find(memory.cgroup_id); last != last_.end()) {
    raise(memory.page_faults, last->second.all);
    raise(memory.major_page_faults, last->second.major);
    raise(memory.oom_kills, last->second.oom_kills);
  }
  now_[memory.cgroup_id] = {memory.page_faults.value_or(0), memory.major_page_faults.value_or(0),
                            memory.oom_kills.value_or(0)};
}

void RisingFaults::keep(std::uint64_t cgroup_id, memory_record& removed) const {
  const auto last = now_.find(cgroup_id);
  if (last == now_.end()) return;
  raise(removed, STAT_FAULTS, last->second.all);
  raise(removed, STAT_MAJOR_FAULTS, last->second.major);
  removed.oom_kills = std::max<std::uint64_t>(removed.oom_kills, last->second.oom_kills);
}

}  // namespace katameter
