#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "userspace/wire/messages.h"

namespace katameter {

/// What the containers of a guest and its own system used together, by what the guest says of each: no figure of a guest
/// that spreads a lie over many containers is too high, and their sum is. Pure.
class ClaimedSum {
 public:
  /// `boot`: counts the guest's boots. Gives what they used since the first call of this boot, ns; it never falls. Of
  /// what came and went between two calls it has what the guest told last, so that it is rather too low than too high.
  std::uint64_t add(std::uint64_t boot, const wire::Guest& guest, const std::vector<wire::Container>& containers);

 private:
  /// Looks for which a container that has no row any more is remembered: should a walk have missed it, what it used
  /// before is not taken twice.
  static constexpr int longest_absence = 3;

  struct Row {
    wire::Figure last{};
    int absent = 0;  // looks
  };
  void add_system(const wire::Guest& guest);
  void add_containers(const std::vector<wire::Container>& containers, bool counts_new);

  std::optional<std::uint64_t> boot_;
  std::uint64_t sum_ns_ = 0;
  std::optional<std::uint64_t> system_ns_;
  std::map<ContainerId, Row> rows_;
  bool some_without_row_ = false;
};

}  // namespace katameter
