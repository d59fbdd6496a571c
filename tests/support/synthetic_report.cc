#include "tests/support/synthetic_report.h"

#include <fmt/format.h>

#include "tests/support/fake_report.h"

namespace katameter::host::testing {
namespace {

ContainerId id_of(std::size_t number) {
  return *ContainerId::from_hex(fmt::format("{:064x}", number));
}

}  // namespace

NodeReport synthetic_report(std::size_t sandboxes, std::size_t containers) {
  // The first sandbox of the fake report has all figures; the others are copies of it under names of their own.
  NodeReport report = fake_report(3600, NameStyle::ordinary);
  const SandboxReport pattern = report.sandboxes.front();
  report.sandboxes.clear();
  std::size_t next_id = 1;
  for (std::size_t i = 0; i < sandboxes; ++i) {
    SandboxReport& sandbox = report.sandboxes.emplace_back(pattern);
    sandbox.id = id_of(next_id++);
    GuestView& guest = *sandbox.guest;
    guest.containers.clear();
    guest.start_times.clear();
    sandbox.oom_kills.clear();
    if (sandbox.account) sandbox.account->container_costs.clear();
    SandboxNames names = *pattern.names;
    names.pod = fmt::format("deployment-7d9f8b6c5-{:05}", i);
    names.containers.clear();
    for (std::size_t c = 0; c < containers; ++c) {
      wire::Container& made =
          guest.containers.emplace_back(pattern.guest->containers[c % pattern.guest->containers.size()]);
      made.id = id_of(next_id++);
      // Figures of which no two have the same digits, as on a real node.
      std::uint64_t spread = next_id * 2'654'435'761;
      for (const wire::ContainerFigure& figure : wire::container_figures) {
        made.*figure.value =
            (made.*figure.value).value_or(0) + (spread = spread * 6'364'136'223'846'793'005 + 1) % 1'000'003;
      }
      names.containers[made.id] = {fmt::format("app-{}", c), "registry.example/team/app:1.2.3"};
      sandbox.oom_kills[made.id] = c;
      guest.start_times[made.id] = 1'700'000'000;
      if (sandbox.account) {
        const SharedCosts& costs = pattern.account->container_costs.begin()->second;
        SharedCosts& made_costs = sandbox.account->container_costs[made.id] = costs;
        at(made_costs, SharedCost::workload_cpu) = *made.cpu_usage_ns;
      }
    }
    sandbox.names = std::make_shared<const SandboxNames>(std::move(names));
  }
  return report;
}

}  // namespace katameter::host::testing
