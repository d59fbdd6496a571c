#pragma once

#include <cstdint>
#include <string>

#include "bpf/guest/records.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// The array `turns` of bpf/lib/request.bpf.h: what the next turn of a program is asked for.
class Turns {
 public:
  static Result<Turns> map(const Fd& map);
  void ask(std::size_t turn, std::uint64_t what) { places()[turn] = what; }

 private:
  explicit Turns(Mapping mapping) : mapping_(std::move(mapping)) {}
  volatile std::uint64_t* places() { return reinterpret_cast<volatile std::uint64_t*>(mapping_.data()); }

  Mapping mapping_;
};

/// A program that runs when it is asked to: an iterator's link, pinned or not.
class OnRequest {
 public:
  /// What the iterator goes through (bpf/lib/request.bpf.h).
  enum class Over { turns, tasks };

  OnRequest() = default;
  /// `path`: where the link is pinned; running it takes no capability then. Empty: it is not, and bpf() is used.
  OnRequest(Fd link, std::string path, Over over = Over::turns)
      : link_(std::move(link)), path_(std::move(path)), over_(over) {}

  /// Runs the program once under rcu_read_lock(); what it returns. Two or three system calls for the first run, one
  /// for those after it, as long as there are turns or tasks.
  Result<std::uint64_t> run(Turns& turns, std::uint64_t what);

  /// A fresh run of the iterator, to be read to its end; for programs that write more than one answer.
  Result<Fd> open_iterator() const;

  /// Gives back what the kernel holds between two runs (a buffer of 32 KiB).
  void rest() { opened_.reset(); }

 private:
  Fd link_;
  std::string path_;
  Over over_ = Over::turns;
  Fd opened_;
  std::size_t turn_ = 0;
};

}  // namespace katameter
