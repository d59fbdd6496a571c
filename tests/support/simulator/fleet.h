#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "tests/support/simulator/simulated_guest.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

namespace katameter::simulator {

/// The sandboxes of a node, in the Go runtime's layout: `<run root>/vc/vm/<sandbox id>/clh.sock`. Numbers, and with them
/// ids, are given once: a sandbox that was removed never comes back.
class Fleet {
 public:
  struct Counts {
    std::size_t guests = 0;
    std::size_t connected = 0;
    std::uint64_t fewest_collects = 0;  // of one guest
    std::uint64_t max_collects = 0;
  };

  /// `load`: of each guest. Makes the directories.
  static Result<Fleet> create(EventLoop& loop, const std::string& run_root, const Load& load);
  Fleet(Fleet&&) = default;
  /// Removes every sandbox, and the directories above them if nobody else uses them.
  ~Fleet();

  /// Starts sandboxes, whose guests take so long to boot. An error after the first that failed; those before it stay.
  Status add(std::uint64_t count, std::chrono::milliseconds boot = {});
  /// Ends some, the oldest first; of all if there are fewer.
  void remove(std::uint64_t count);
  Counts counts() const;

 private:
  Fleet(EventLoop& loop, std::string run_root, const Load& load)
      : loop_(loop), run_root_(std::move(run_root)), load_(load) {}
  std::string directory_of(std::uint64_t number) const;

  EventLoop& loop_;
  std::string run_root_;
  Load load_;
  std::uint64_t oldest_ = 0;  // number of the first in guests_
  std::deque<std::unique_ptr<SimulatedGuest>> guests_;
};

}  // namespace katameter::simulator
