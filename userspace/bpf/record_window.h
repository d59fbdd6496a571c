#pragma once

#include <cstddef>
#include <span>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// The first records of a BPF array, mapped as far as they were needed: what is mapped is resident, used or not.
class RecordWindow {
 public:
  RecordWindow() = default;
  /// `map`: an array of `capacity` values of `record_bytes`, made with BPF_F_MMAPABLE.
  RecordWindow(Fd map, std::size_t record_bytes, std::size_t capacity)
      : map_(std::move(map)), record_bytes_(record_bytes), capacity_(capacity) {}

  std::size_t capacity() const { return capacity_; }

  /// The first `count` records, or as many as there is room for. Valid until the next call.
  template <typename Record>
  Result<std::span<const Record>> first(std::size_t count) {
    if (count > capacity_) count = capacity_;
    if (Status status = widen(count); !status) return failure_from(status.error());
    return mapping_.as<Record>().first(count);
  }

  /// Undoes the mapping.
  void close() { mapping_ = Mapping(); }

 private:
  Status widen(std::size_t count);

  Fd map_;
  std::size_t record_bytes_ = 0;
  std::size_t capacity_ = 0;
  Mapping mapping_;
};

}  // namespace katameter
