#include "guest-probe/bpf/maps.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace katameter::guest {

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

Result<RingbufWakeup> RingbufWakeup::map(Fd ring) {
  const auto page = static_cast<std::size_t>(getpagesize());
  RingbufWakeup wakeup;
  Result<Mapping> consumer = Mapping::writable(ring, page);
  if (!consumer) return failure_from(consumer.error());
  Result<Mapping> producer = Mapping::read_only(ring, page, page);
  if (!producer) return failure_from(producer.error());
  wakeup.consumer_ = *std::move(consumer);
  wakeup.producer_ = *std::move(producer);
  wakeup.ring_ = std::move(ring);
  return wakeup;
}

void RingbufWakeup::consume() {
  if (!ring_) return;
  const auto* produced = reinterpret_cast<const volatile unsigned long*>(producer_.data());
  auto* consumed = reinterpret_cast<volatile unsigned long*>(consumer_.data());
  *consumed = *produced;
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace katameter::guest
