#include "guest-probe/containers/start_times.h"

#include <utility>

namespace katameter::guest {

void StartTimes::learn(std::span<const name_record> names) {
  before_ = std::exchange(times_, {});
  for (const name_record& record : names) {
    const auto known = before_.find(record.id);
    if (known != before_.end()) {
      times_.insert(*known);
    } else if (record.made_ns != 0) {
      times_.emplace(record.id, record.made_ns);
    }
  }
}

void StartTimes::guess(std::uint64_t cgroup_id, std::uint64_t ns) {
  times_.emplace(cgroup_id, ns);
}

std::optional<std::uint64_t> StartTimes::find(std::uint64_t cgroup_id) const {
  for (const Times* times : {&times_, &before_}) {
    if (const auto found = times->find(cgroup_id); found != times->end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace katameter::guest
