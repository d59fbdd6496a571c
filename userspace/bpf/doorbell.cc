#include "userspace/bpf/doorbell.h"

#include <unistd.h>

#include <atomic>

namespace katameter {

Result<Doorbell> Doorbell::map(Fd ring) {
  const auto page = static_cast<std::size_t>(getpagesize());
  Doorbell bell;
  Result<Mapping> consumer = Mapping::writable(ring, page);
  if (!consumer) return failure_from(consumer.error());
  Result<Mapping> producer = Mapping::read_only(ring, page, page);
  if (!producer) return failure_from(producer.error());
  bell.consumer_ = *std::move(consumer);
  bell.producer_ = *std::move(producer);
  bell.ring_ = std::move(ring);
  return bell;
}

void Doorbell::silence() {
  if (!ring_) return;
  const auto* produced = reinterpret_cast<const volatile unsigned long*>(producer_.data());
  auto* consumed = reinterpret_cast<volatile unsigned long*>(consumer_.data());
  *consumed = *produced;
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace katameter
