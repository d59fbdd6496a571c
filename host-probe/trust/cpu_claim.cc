#include "host-probe/trust/cpu_claim.h"

#include <fmt/core.h>

#include <algorithm>

namespace katameter {

std::optional<Drop> CpuClaim::check(std::uint64_t boot, std::uint64_t claimed_ns, std::uint64_t given_ns) {
  // Another boot, or processes of which less is known than before: nothing to compare with yet.
  if (!begin_ || begin_->boot != boot || given_ns < begin_->given_ns) {
    begin_ = Begin{boot, claimed_ns, given_ns};
    return std::nullopt;
  }
  if (claimed_ns <= begin_->claimed_ns) return std::nullopt;
  const std::uint64_t claimed = claimed_ns - begin_->claimed_ns;
  const std::uint64_t given = given_ns - begin_->given_ns;
  if (claimed <= given + given / 10 + slack_ns_) return std::nullopt;
  return Drop{DropReason::cpu_claim,
              fmt::format("it says that it used {} ms of CPU time, its vCPUs got or waited for {} ms",
                          claimed / 1'000'000, given / 1'000'000)};
}

std::optional<std::uint64_t> claimed_cpu_ns(const wire::Guest& guest, const std::vector<wire::Container>& containers) {
  // Nothing is less than any figure.
  std::optional<std::uint64_t> most =
      std::max({guest.cpu_usage_ns, guest.workload_cpu_usage_ns, guest.unattributed_cpu_usage_ns});
  for (const wire::Container& container : containers) most = std::max(most, container.cpu_usage_ns);
  return most;
}

}  // namespace katameter
