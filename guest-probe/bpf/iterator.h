#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "bpf/guest/records.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::guest {

/// The array `requests` of bpf/lib/request.bpf.h: what the next run of a program is asked for.
class Requests {
 public:
  static Result<Requests> map(const Fd& map);
  void ask(std::size_t run, std::uint64_t what) { places()[run] = what; }

 private:
  explicit Requests(Mapping mapping) : mapping_(std::move(mapping)) {}
  volatile std::uint64_t* places() { return reinterpret_cast<volatile std::uint64_t*>(mapping_.data()); }

  Mapping mapping_;
};

/// A program that runs when it is asked to: an iterator's link, pinned or not.
class IterProgram {
 public:
  /// What the iterator goes through (bpf/lib/request.bpf.h).
  enum class Over { requests, tasks };

  IterProgram() = default;
  /// `path`: where the link is pinned; running it takes no capability then. Empty: it is not, and bpf() is used.
  IterProgram(Fd link, std::string path, Over over = Over::requests)
      : link_(std::move(link)), path_(std::move(path)), over_(over) {}

  /// Runs the program once under rcu_read_lock(); what it returns. Two or three system calls for the first run, one
  /// for those after it, as long as the opened iterator has runs left.
  Result<std::uint64_t> run(Requests& requests, std::uint64_t what);

  /// A fresh run of the iterator, to be read to its end; for programs that write more than one answer.
  Result<Fd> open_iterator() const;

  /// Gives back what the kernel holds between two runs (a buffer of 32 KiB).
  void close() { opened_.reset(); }

 private:
  Fd link_;
  std::string path_;
  Over over_ = Over::requests;
  Fd opened_;
  std::size_t run_ = 0;
};

/// Runs an iterator program over all that it iterates over and hands out what it writes, in pieces that are whole
/// multiples of `record_bytes`. Ends with the iterator, or when `consumer` returns false.
Status read_iterator(const IterProgram& program, std::size_t record_bytes,
                     const std::function<bool(std::span<const std::byte>)>& consumer);

/// The same, record by record; `consumer` returns whether there is more.
template <typename Record, typename Consumer>
Status for_each_record(const IterProgram& program, Consumer consumer) {
  return read_iterator(program, sizeof(Record), [&](std::span<const std::byte> piece) {
    const auto* records = reinterpret_cast<const Record*>(piece.data());
    for (const Record& record : std::span(records, piece.size() / sizeof(Record))) {
      if (!consumer(record)) return false;
    }
    return true;
  });
}

}  // namespace katameter::guest
