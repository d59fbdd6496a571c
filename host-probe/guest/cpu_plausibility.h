#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/guest/drop_reason.h"
#include "userspace/wire/messages.h"

namespace katameter::host {

/// What the containers of a guest and its own system used together, from what the guest reports of each: a guest that
/// spreads a false report over many containers has no single value that is too high, but their sum is. Pure.
class ReportedCpuSum {
 public:
  /// The CPU time used since the first call, in ns; it never falls. Of what came and went between two calls it has what
  /// was reported last, so that it is too low rather than too high.
  std::uint64_t add(const wire::Guest& guest, const std::vector<wire::Container>& containers);

  /// The guest was restored to another state: later calls count from these values, which add nothing.
  void rebase(const wire::Guest& guest, const std::vector<wire::Container>& containers);

  std::uint64_t sum_ns() const { return sum_ns_; }

 private:
  /// Calls for which a container without a row is remembered: should a walk have missed it, what it used before is not
  /// added twice.
  static constexpr int max_absence = 3;

  struct Row {
    wire::Figure last{};
    int absent = 0;  // calls
  };
  void add_system(const wire::Guest& guest);
  void add_containers(const std::vector<wire::Container>& containers, bool counts_new);

  bool first_ = true;
  std::uint64_t sum_ns_ = 0;
  std::optional<std::uint64_t> system_ns_;
  std::map<ContainerId, Row> rows_;
  bool some_without_row_ = false;
};

/// The highest CPU time that the guest reports: of its own total, its workload, those without a row and any one
/// container, none of which can be more than the total. Nothing if it reports none.
std::optional<std::uint64_t> highest_reported_cpu_ns(const wire::Guest& guest,
                                                     const std::vector<wire::Container>& containers);

/// Checks the CPU time that one run of a guest reports, the highest value and the sum of all, against what the host gave
/// its vCPUs. What they waited for a host CPU is given, too: a guest counts it as its own (measured: guest usage = vCPU
/// time + run-queue wait to about 1 %). Both are compared by what they rose since the run began, for a guest's counters
/// begin at its boot. Pure.
class CpuPlausibility {
 public:
  /// A guest's values are up to a collection older than the host's, so that the first comparison may lack what its
  /// vCPUs got meanwhile, at most as many at once as the host has CPUs. Beside it two seconds for counters that a
  /// kernel updates late, and a tenth for the guest's clock, which is not the host's.
  CpuPlausibility(unsigned host_cpus, std::chrono::nanoseconds collection)
      : slack_ns_(2'000'000'000 + host_cpus * static_cast<std::uint64_t>(collection.count())) {}

  /// For each collection, whether the guest has answered or not. `given_ns`: CPU time of the vCPU threads and their wait
  /// for a CPU, of the sandbox's whole life. A guest may answer a collection late, so that what it reports first is
  /// compared from the first call on.
  void set_given(std::uint64_t given_ns);

  /// After set_given(); the same values may be checked again.
  std::optional<Drop> check(const wire::Guest& guest, const std::vector<wire::Container>& containers);

  /// The same of the containers alone, by one who does not always know all of them: of one that comes, or comes back, what
  /// it has by then does not count.
  std::optional<Drop> check_containers(const std::vector<wire::Container>& containers);

  /// The guest was restored to another state: what it reports is compared from these values on, and with what the host
  /// gave since the collection before.
  void rebase(const wire::Guest& guest, const std::vector<wire::Container>& containers);

 private:
  struct Begin {
    std::uint64_t highest_ns = 0;
    std::uint64_t sum_ns = 0;
  };
  std::optional<Drop> compare(std::uint64_t reported_ns, const char* what) const;

  std::uint64_t slack_ns_;
  std::optional<std::uint64_t> given_begin_ns_;
  std::uint64_t given_ns_ = 0;
  std::optional<Begin> begin_;
  ReportedCpuSum sum_;
};

}  // namespace katameter::host
