#pragma once

#include <atomic>
#include <utility>

#include "bpf/guest/records.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// The kept_record (bpf/guest/records.h) in its map. It outlives guest-probe where the map is pinned.
class KeptProgress {
 public:
  KeptProgress() = default;
  /// Maps it; a new one, all zeros, begins at `now_ns` (CLOCK_BOOTTIME).
  static Result<KeptProgress> map(const Fd& map, std::uint64_t now_ns);

  const progress& get() const { return record().progress[record().current & 1]; }

  /// Lets `change` work on a copy and makes that the current one; its result. guest-probe may be killed at any moment:
  /// the change is there as a whole or not at all. No system call.
  template <typename Change>
  auto update(Change change) {
    kept_record& kept = record();
    const __u32 next = 1 - (kept.current & 1);
    kept.progress[next] = get();
    auto result = change(kept.progress[next]);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    *const_cast<volatile __u32*>(&kept.current) = next;
    return result;
  }

 private:
  explicit KeptProgress(Mapping mapping) : mapping_(std::move(mapping)) {}
  const kept_record& record() const { return *reinterpret_cast<const kept_record*>(mapping_.data()); }
  kept_record& record() { return *reinterpret_cast<kept_record*>(mapping_.data()); }

  Mapping mapping_;
};

}  // namespace katameter
