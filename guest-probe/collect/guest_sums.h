#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "userspace/fd.h"
#include "userspace/result.h"
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
  /// Of one container, or of several.
  struct Sums {
    std::uint64_t cpu_usage_ns = 0;
    std::uint64_t virtiofs_requests = 0;
    std::uint64_t virtiofs_read_bytes = 0;
    std::uint64_t virtiofs_written_bytes = 0;

    void raise(const wire::Container& container);
    void add(const Sums& more);
  };
  struct Rest {
    Sums sums;
    bool seen = false;
  };

  bool has_row(const wire::Container& container);
  void forget_unseen(const std::map<ContainerId, wire::Container>& rows);

  std::size_t rows_;
  std::unordered_set<ContainerId> with_row_;
  std::unordered_map<ContainerId, Rest> rest_;
  Sums ended_;  // of containers of the rest that are gone
  bool exceeded_ = false;
};

/// Keeps the sums of the whole guest from falling: CPU time of the workload, of the parts of the guest system, of the
/// containers without a row, requests to virtiofs with which these are counted, and what was lost. What a guest-probe reported last stands in a file of this boot, so that
/// the next one goes on from there, whatever it finds in the kernel: nothing without pins, after `detach`, or where an
/// older version pinned its maps.
class ReportedSums {
 public:
  /// In memory alone.
  ReportedSums() = default;
  /// `file`: made if it is not there, and begun anew if it is of another boot. Mapped, so that it says what was reported
  /// last however this process ends.
  static Result<ReportedSums> open(const std::string& file);

  /// Raises each sum to where the last one would have gone on from: by what is missing in the first snapshot of this
  /// process. No sum is ever below the last one. Notes what is reported then. No system call.
  void carry_on(wire::Guest& guest);

 private:
  /// The places never change: a file of another version has the same sums at the same places.
  static constexpr std::size_t sums = 11;
  struct Contents {
    std::uint64_t magic;
    std::array<char, 40> boot_id;
    std::array<std::uint64_t, 64> sum;
  };

  std::uint64_t carry_on(std::size_t place, std::uint64_t value);

  Contents& contents() { return mapping_.size() == 0 ? own_ : *reinterpret_cast<Contents*>(mapping_.data()); }

  Mapping mapping_;
  Contents own_{};
  std::array<std::uint64_t, sums> missing_{};  // what this process does not know of
  bool began_ = false;
};

}  // namespace katameter::guest
