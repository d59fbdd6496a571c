#include "userspace/bpf/record_window.h"

#include <unistd.h>

#include <algorithm>

namespace katameter {

Status RecordWindow::widen(std::size_t count) {
  if (count * record_bytes_ <= mapping_.size()) return {};
  const auto page = static_cast<std::size_t>(getpagesize());
  // Half as much again, so that each container more is not a mapping more.
  const std::size_t room = std::min(count + count / 2, capacity_);
  Result<Mapping> wider = Mapping::read_only(map_, (room * record_bytes_ + page - 1) / page * page);
  if (!wider) return failure_from(wider.error());
  mapping_ = *std::move(wider);
  return {};
}

}  // namespace katameter
