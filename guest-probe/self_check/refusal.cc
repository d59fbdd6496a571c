#include "guest-probe/self_check/refusal.h"

#include <fmt/core.h>

#include <algorithm>

namespace katameter {

void judge_figure(std::vector<Refusal>& refusals, const char* name, std::optional<std::uint64_t> ours,
                  std::uint64_t first, std::uint64_t second, bool& serve) {
  if (!serve || (ours && *ours >= std::min(first, second) && *ours <= std::max(first, second))) return;
  serve = false;
  refusals.push_back({name, fmt::format("the kernel's file says {} to {}, BPF read {}", first, second,
                                        ours ? std::to_string(*ours) : "nothing")});
}

}  // namespace katameter
