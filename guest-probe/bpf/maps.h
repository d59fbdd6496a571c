#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

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

/// A BPF ring buffer of which only the wakeup is used: the events are in another map.
class RingbufWakeup {
 public:
  RingbufWakeup() = default;
  /// Takes over the ring buffer map.
  static Result<RingbufWakeup> map(Fd ring);

  /// Readable from a wakeup until the next consume(); none (get() < 0) before map().
  const Fd& fd() const { return ring_; }
  /// Call before reading the events. No system call.
  void consume();

 private:
  Fd ring_;
  // kernel/bpf/ringbuf.c: the first page has the consumer's position, the second, read-only, the producer's.
  Mapping consumer_;
  Mapping producer_;
};

/// Copies the records `first` to `last` out of a ring that BPF writes (bpf/guest/records.h), those left out that are
/// overwritten already. Maps no more of the array than they take, and only for the moment: two system calls, four where
/// they go over the ring's end.
template <typename Record>
Result<std::vector<Record>> read_ring(const Fd& map, std::uint64_t slots, std::uint64_t first, std::uint64_t last) {
  const auto page = static_cast<std::size_t>(getpagesize());
  std::vector<Record> records;
  if (last - first >= slots) first = last - slots + 1;
  while (first <= last) {
    const std::uint64_t slot = first % slots;
    const std::uint64_t count = std::min(last - first + 1, slots - slot);
    const std::size_t start = slot * sizeof(Record) / page * page;
    const std::size_t end = ((slot + count) * sizeof(Record) + page - 1) / page * page;
    const Result<Mapping> window = Mapping::read_only(map, end - start, start);
    if (!window) return failure_from(window.error());
    for (std::uint64_t i = 0; i < count; ++i, ++first) {
      const std::byte* source = window->data() + (slot + i) * sizeof(Record) - start;
      const auto sequence = [&] {
        return *reinterpret_cast<const volatile std::uint64_t*>(source + offsetof(Record, sequence));
      };
      if (sequence() != first) continue;
      Record record;
      std::memcpy(&record, source, sizeof(record));
      if (sequence() == first) records.push_back(record);
    }
  }
  return records;
}

}  // namespace katameter::guest
