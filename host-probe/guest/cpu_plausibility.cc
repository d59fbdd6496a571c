#include "host-probe/guest/cpu_plausibility.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace katameter::host {
namespace {

std::optional<std::uint64_t> system_cpu_ns(const wire::Guest& guest) {
  if (!guest.cpu_usage_ns || !guest.workload_cpu_usage_ns) return std::nullopt;
  if (*guest.cpu_usage_ns < *guest.workload_cpu_usage_ns) return std::nullopt;
  return *guest.cpu_usage_ns - *guest.workload_cpu_usage_ns;
}

bool has_containers_without_row(const wire::Guest& guest) {
  return guest.containers_unreported.value_or(0) > 0 || guest.unattributed_containers.value_or(0) > 0;
}

}  // namespace

std::uint64_t ReportedCpuSum::add(const wire::Guest& guest, const std::vector<wire::Container>& containers) {
  // A container that had no row, and gets one, had used most of its time before.
  const bool without_row = has_containers_without_row(guest);
  const bool before = std::exchange(some_without_row_, without_row);
  const bool counts_new = !std::exchange(first_, false) && !before && !without_row;
  add_system(guest);
  add_containers(containers, counts_new);
  return sum_ns_;
}

void ReportedCpuSum::rebase(const wire::Guest& guest, const std::vector<wire::Container>& containers) {
  first_ = false;
  some_without_row_ = has_containers_without_row(guest);
  system_ns_ = system_cpu_ns(guest);
  rows_.clear();
  for (const wire::Container& container : containers) rows_[container.id].last = container.cpu_usage_ns;
}

void ReportedCpuSum::add_system(const wire::Guest& guest) {
  const std::optional<std::uint64_t> now = system_cpu_ns(guest);
  if (!now) return;
  const std::uint64_t last = system_ns_.value_or(*now);
  // The two are read a moment apart: their difference may fall.
  sum_ns_ += *now - std::min(*now, last);
  system_ns_ = std::max(*now, last);
}

void ReportedCpuSum::add_containers(const std::vector<wire::Container>& containers, bool counts_new) {
  for (auto& [id, row] : rows_) ++row.absent;
  for (const wire::Container& container : containers) {
    const wire::Figure& now = container.cpu_usage_ns;
    const auto [entry, is_new] = rows_.try_emplace(container.id);
    Row& row = entry->second;
    if (is_new && counts_new) sum_ns_ += now.value_or(0);
    // Fallen, it is another cgroup of this id. Without a value before, it may have used any time before.
    if (now && row.last) sum_ns_ += *now >= *row.last ? *now - *row.last : *now;
    row = {now, 0};
  }
  std::erase_if(rows_, [](const auto& row) { return row.second.absent > max_absence; });
}

std::optional<std::uint64_t> highest_reported_cpu_ns(const wire::Guest& guest,
                                                     const std::vector<wire::Container>& containers) {
  // An absent value is less than any other.
  std::optional<std::uint64_t> highest =
      std::max({guest.cpu_usage_ns, guest.workload_cpu_usage_ns, guest.unattributed_cpu_usage_ns});
  for (const wire::Container& container : containers) highest = std::max(highest, container.cpu_usage_ns);
  return highest;
}

void CpuPlausibility::set_given(std::uint64_t given_ns) {
  // Fallen, less is known of its processes than before: begin again.
  if (!given_begin_ns_ || given_ns < *given_begin_ns_) {
    given_begin_ns_ = given_ns;
    begin_.reset();
  }
  given_ns_ = given_ns;
}

std::optional<Drop> CpuPlausibility::check(const wire::Guest& guest, const std::vector<wire::Container>& containers) {
  const std::optional<std::uint64_t> highest_ns = highest_reported_cpu_ns(guest, containers);
  if (!highest_ns) return std::nullopt;
  const std::uint64_t sum_ns = sum_.add(guest, containers);
  if (!begin_) begin_ = Begin{*highest_ns, sum_ns};
  const auto since = [](std::uint64_t now, std::uint64_t begin) { return now - std::min(now, begin); };
  std::optional<Drop> broken = compare(since(*highest_ns, begin_->highest_ns), "in one of its values");
  if (!broken) broken = compare(since(sum_ns, begin_->sum_ns), "by its containers and its system together");
  return broken;
}

std::optional<Drop> CpuPlausibility::check_containers(const std::vector<wire::Container>& containers) {
  wire::Guest guest;
  guest.containers_unreported = 1;
  const std::uint64_t sum_ns = sum_.add(guest, containers);
  if (!begin_) begin_ = Begin{0, sum_ns};
  return compare(sum_ns - std::min(sum_ns, begin_->sum_ns), "by its containers together");
}

void CpuPlausibility::rebase(const wire::Guest& guest, const std::vector<wire::Container>& containers) {
  sum_.rebase(guest, containers);
  begin_ = Begin{highest_reported_cpu_ns(guest, containers).value_or(0), sum_.sum_ns()};
  if (given_begin_ns_) given_begin_ns_ = given_ns_;
}

std::optional<Drop> CpuPlausibility::compare(std::uint64_t reported_ns, const char* what) const {
  const std::uint64_t given_ns = given_ns_ - given_begin_ns_.value_or(given_ns_);
  if (reported_ns <= given_ns + given_ns / 10 + slack_ns_) return std::nullopt;
  return Drop{DropReason::cpu_claim, fmt::format("it reports {} ms of CPU time, {}; its vCPUs got or waited for {} ms",
                                                 reported_ns / 1'000'000, what, given_ns / 1'000'000)};
}

}  // namespace katameter::host
