#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "userspace/bpf/on_request.h"
#include "userspace/result.h"

namespace katameter {

/// Runs an iterator program over all that it iterates over and hands out what it writes, in pieces that are whole
/// multiples of `record_bytes`. Ends with the iterator, or when `consumer` returns false.
Status read_iterator(const OnRequest& program, std::size_t record_bytes,
                     const std::function<bool(std::span<const std::byte>)>& consumer);

/// The same, record by record; `consumer` returns whether there is more.
template <typename Record, typename Consumer>
Status for_each_record(const OnRequest& program, Consumer consumer) {
  return read_iterator(program, sizeof(Record), [&](std::span<const std::byte> piece) {
    const auto* records = reinterpret_cast<const Record*>(piece.data());
    for (const Record& record : std::span(records, piece.size() / sizeof(Record))) {
      if (!consumer(record)) return false;
    }
    return true;
  });
}

}  // namespace katameter
