#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Which containers have a row of their own in the snapshots: first come, first served. A container keeps what it got,
/// a row or a part in the sum of the rest, until it is gone, so that neither series falls.
class RowLimit {
 public:
  explicit RowLimit(std::size_t rows) : rows_(rows) {}

  /// Takes the containers beyond the limit out of `rows`, and puts their sum into `guest` if there are or were any. A
  /// container that was removed before it was ever met alive keeps its row.
  void apply(std::map<ContainerId, wire::Container>& rows, wire::Guest& guest);

  /// Whether any container has ever been without a row.
  bool exceeded() const { return exceeded_; }

 private:
  struct Rest {
    std::uint64_t cpu_usage_ns = 0;
    bool seen = false;
  };

  bool has_row(const wire::Container& container);
  void forget_unseen(const std::map<ContainerId, wire::Container>& rows);

  std::size_t rows_;
  std::unordered_set<ContainerId> with_row_;
  std::unordered_map<ContainerId, Rest> rest_;
  std::uint64_t ended_cpu_ns_ = 0;  // of containers of the rest that are gone
  bool exceeded_ = false;
};

}  // namespace katameter::guest
