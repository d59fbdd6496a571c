#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace katameter {

/// A figure that BPF reads otherwise than the file shows it, and so is not served.
struct Refusal {
  std::string figure;
  std::string text;     ///< both values
  bool absent = false;  ///< the kernel itself does not have it: nothing is wrong
  std::string remedy = "report this kernel and its configuration to us";
};

/// Refuses a figure that does not lie between two reads of the file.
void judge_figure(std::vector<Refusal>& refusals, const char* name, std::optional<std::uint64_t> ours,
                  std::uint64_t first, std::uint64_t second, bool& serve);

}  // namespace katameter
