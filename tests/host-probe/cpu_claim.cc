#include "host-probe/trust/cpu_claim.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t second = 1'000'000'000;

std::optional<DropReason> verdict(CpuClaim& claim, std::uint64_t claimed, std::uint64_t given, std::uint64_t boot = 1) {
  const auto drop = claim.check(boot, claimed, given);
  return drop ? std::optional(drop->reason) : std::nullopt;
}

}  // namespace

TEST_CASE("a guest may have used what its vCPUs got or waited for, however busy the host is") {
  CpuClaim claim(2, 500ms);
  // It has run for long before us, and its first figures are half a second older than the host's.
  for (std::uint64_t passed = 0; passed < 3600; passed += 15) {
    INFO(passed);
    const std::uint64_t lag = passed == 0 ? second : 0;  // two vCPUs, both busy
    CHECK_FALSE(verdict(claim, (90'000 + 2 * passed) * second - lag, (7 + 2 * passed) * second));
  }
  // A clock that is a little fast.
  CHECK_FALSE(verdict(claim, (90'000 + 7'400) * second, (7 + 7'200) * second));
}

TEST_CASE("a guest that claims more CPU time than its vCPUs got or waited for is not believed") {
  CpuClaim claim(2, 500ms);
  CHECK_FALSE(verdict(claim, 5 * second, 5 * second));
  CHECK(verdict(claim, 20 * second, 10 * second) == DropReason::cpu_claim);
  // What it lied once it does not get later: the measure stays.
  CHECK(verdict(claim, 21 * second, 11 * second) == DropReason::cpu_claim);
  CHECK_FALSE(verdict(claim, 21 * second, 21 * second));
}

TEST_CASE("a guest that boots again begins again, and so do processes that were lost") {
  CpuClaim claim(1, 500ms);
  CHECK_FALSE(verdict(claim, 5 * second, 5 * second));
  CHECK_FALSE(verdict(claim, 50 * second, 6 * second, 2));
  CHECK(verdict(claim, 60 * second, 7 * second, 2) == DropReason::cpu_claim);
  CHECK_FALSE(verdict(claim, 60 * second, 1 * second, 2));
}

TEST_CASE("a claim is the largest that is made, in whichever figure") {
  wire::Guest guest;
  std::vector<wire::Container> containers(2);
  CHECK_FALSE(claimed_cpu_ns(guest, containers));
  containers[1].cpu_usage_ns = 7;
  CHECK(claimed_cpu_ns(guest, containers) == 7u);
  guest.cpu_usage_ns = 9;
  CHECK(claimed_cpu_ns(guest, containers) == 9u);
  guest.workload_cpu_usage_ns = 10;
  CHECK(claimed_cpu_ns(guest, containers) == 10u);
  guest.unattributed_cpu_usage_ns = 11;
  CHECK(claimed_cpu_ns(guest, containers) == 11u);
}
