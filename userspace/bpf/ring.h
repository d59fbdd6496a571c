#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

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

}  // namespace katameter
