#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "host-probe/accounting/oom.h"
#include "host-probe/accounting/shared_costs.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// A container that has ended, with what it had last.
struct EndedContainer {
  std::shared_ptr<const wire::Container> last;  // never null; never changed once given out
  SharedCosts costs{};                          // as in Account::container_costs
  std::chrono::steady_clock::time_point ended_at;
};

/// The containers of one sandbox that ended a short while ago, each id once: every scraper gets their last values,
/// whichever of two came first, and one that missed a scrape. Pure: the caller gives the time.
class EndedContainers {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// As long as the OOM kills of a container.
  static constexpr std::chrono::minutes window = OomKillCounters::window;
  /// Of more, those that ended first are dropped: a guest must not fill the host's memory with dead ones.
  static constexpr std::size_t max = 256;

  /// Replaces one of the same id. How many were dropped, to keep to `max`: 0 or 1.
  std::size_t add(wire::Container last, const SharedCosts& costs, Time now);
  /// Those of `living`, which is in the order of the ids, have come back: their own values are reported.
  void remove_living(const std::vector<wire::Container>& living);
  /// Drops what ended longer than the window ago.
  void expire(Time now);
  /// Drops all of them; how many there were.
  std::size_t clear();

  /// In the order in which they ended.
  const std::vector<EndedContainer>& all() const { return ended_; }

 private:
  std::vector<EndedContainer> ended_;
};

}  // namespace katameter::host
