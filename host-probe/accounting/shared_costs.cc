#include "host-probe/accounting/shared_costs.h"

#include <algorithm>
#include <utility>

namespace katameter::host {
namespace {

using Figure = std::optional<std::uint64_t>;

constexpr std::size_t index(SharedCost cost) {
  return static_cast<std::size_t>(cost);
}

// Nothing if none is there; only a guest that lies makes it overflow.
template <typename... Figures>
Figure sum_of(const Figures&... figures) {
  if (!(figures || ...)) return std::nullopt;
  return (figures.value_or(0) + ...);
}

// What has fallen belongs to another cgroup of the same id. What is not reported any more has not grown.
double growth(Figure& now, const Figure& before) {
  if (!now) now = before;
  const std::uint64_t last = before.value_or(0);
  return static_cast<double>(now.value_or(0) >= last ? now.value_or(0) - last : *now);
}

// What parts `from` to `to` of `whole` get of a step: exactly the step, over all parts.
std::uint64_t share(std::uint64_t step, double from, double to, double whole) {
  const auto until = [&](double part) {
    if (part >= whole) return step;
    return std::min(step, static_cast<std::uint64_t>(static_cast<double>(step) * (part / whole)));
  };
  return whole > 0 ? until(to) - until(from) : 0;
}

}  // namespace

CostSharing::Counted CostSharing::counted(const Reading& reading, const wire::Container& container) {
  Counted counted{.cpu_ns = container.cpu_usage_ns,
                  .requests = wire::virtiofs_requests(container),
                  .read_bytes = container.virtiofs_read_bytes,
                  .written_bytes = container.virtiofs_written_bytes,
                  .block_read_bytes = {},
                  .block_written_bytes = {}};
  for (const wire::BlockDevice& device : container.block_devices) {
    counted.block_read_bytes = counted.block_read_bytes.value_or(0) + device.read_bytes;
    counted.block_written_bytes = counted.block_written_bytes.value_or(0) + device.write_bytes;
  }
  if (!reading.has_virtiofsd) {
    counted.block_read_bytes = sum_of(counted.block_read_bytes, counted.read_bytes);
    counted.block_written_bytes = sum_of(counted.block_written_bytes, counted.written_bytes);
  }
  return counted;
}

CostSharing::Counted CostSharing::counted_of_others(const wire::Guest& guest) {
  return {.cpu_ns = {},
          .requests = sum_of(guest.virtiofs_system_requests, guest.virtiofs_unknown_requests),
          .read_bytes = sum_of(guest.virtiofs_system_read_bytes, guest.virtiofs_unknown_read_bytes),
          .written_bytes = sum_of(guest.virtiofs_system_written_bytes, guest.virtiofs_unknown_written_bytes),
          .block_read_bytes = {},
          .block_written_bytes = {}};
}

CostSharing::Weights CostSharing::weights(Counted& now, const Counted& before) {
  Weights weights{};
  weights[index(SharedCost::workload_cpu)] = growth(now.cpu_ns, before.cpu_ns);
  const double read = weights[index(SharedCost::virtiofsd_reads)] = growth(now.read_bytes, before.read_bytes);
  const double written = weights[index(SharedCost::virtiofsd_writes)] = growth(now.written_bytes, before.written_bytes);
  weights[index(SharedCost::virtiofsd_cpu)] = growth(now.requests, before.requests) * request_bytes + read + written;
  weights[index(SharedCost::vmm_reads)] = growth(now.block_read_bytes, before.block_read_bytes);
  weights[index(SharedCost::vmm_writes)] = growth(now.block_written_bytes, before.block_written_bytes);
  return weights;
}

// Costs of which a container has a part, even if it is 0.
std::array<bool, shared_costs> CostSharing::causes(const Counted& counted) {
  const bool virtiofs = counted.requests.has_value();
  return {counted.cpu_ns.has_value(),
          virtiofs,
          virtiofs,
          virtiofs,
          counted.block_read_bytes.has_value(),
          counted.block_written_bytes.has_value()};
}

CostSharing::Steps CostSharing::take_steps(const SharedCosts& totals) {
  Steps steps{};
  for (std::size_t cost = 0; cost < shared_costs; ++cost) {
    if (!totals[cost]) continue;
    const std::uint64_t last = last_[cost].value_or(0);
    steps[cost] = *totals[cost] - std::min(*totals[cost], last);
    last_[cost] = last + steps[cost];
    unattributed_[cost] = unattributed_[cost].value_or(0) + steps[cost];
  }
  return steps;
}

CostSharing::Parts CostSharing::parts_of(const Reading& reading) {
  const auto before = std::exchange(counted_, {});
  Parts parts;
  double workload = 0;
  for (const wire::Container& container : reading.containers) {
    Counted& now = counted_[container.id] = counted(reading, container);
    const auto known = before.find(container.id);
    parts.push_back(weights(now, known != before.end() ? known->second : Counted()));
    workload += parts.back()[index(SharedCost::workload_cpu)];
  }
  Counted others = reading.guest_wide != nullptr ? counted_of_others(*reading.guest_wide) : Counted();
  others.cpu_ns = reading.workload_ns;
  Weights& of_others = parts.emplace_back(weights(others, others_));
  others_ = others;
  // The guest reads the containers and their sum a moment apart.
  double& others_workload = of_others[index(SharedCost::workload_cpu)];
  others_workload = std::max(others_workload - workload, 0.0);

  for (const SharedCost bytes : {SharedCost::virtiofsd_reads, SharedCost::virtiofsd_writes}) {
    if (std::ranges::any_of(parts, [&](const Weights& part) { return part[index(bytes)] > 0; })) continue;
    for (Weights& part : parts) part[index(bytes)] = part[index(SharedCost::virtiofsd_cpu)];
  }
  return parts;
}

void CostSharing::update(const SharedCosts& totals, const Reading& reading, bool divided) {
  const Steps steps = take_steps(totals);
  const Parts parts = parts_of(reading);
  Weights whole{};
  for (const Weights& part : parts) {
    for (std::size_t cost = 0; cost < shared_costs; ++cost) whole[cost] += part[cost];
  }
  for (const SharedCost bytes : {SharedCost::vmm_reads, SharedCost::vmm_writes}) {
    whole[index(bytes)] = std::max(whole[index(bytes)], static_cast<double>(steps[index(bytes)]));
  }
  const auto had = std::exchange(of_containers_, {});
  Weights from{};
  for (std::size_t i = 0; i < reading.containers.size(); ++i) {
    const ContainerId& id = reading.containers[i].id;
    const auto known = had.find(id);
    SharedCosts& costs = of_containers_[id] = known != had.end() ? known->second : SharedCosts();
    const auto may_cause = causes(counted_.at(id));
    for (std::size_t cost = 0; cost < shared_costs; ++cost) {
      const double to = from[cost] + parts[i][cost];
      const std::uint64_t part = divided ? share(steps[cost], from[cost], to, whole[cost]) : 0;
      from[cost] = to;
      if (!last_[cost] || !may_cause[cost]) continue;
      costs[cost] = costs[cost].value_or(0) + part;
      *unattributed_[cost] -= part;
    }
  }
}

}  // namespace katameter::host
