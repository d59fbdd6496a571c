#include "host-probe/node/runtime_view.h"

#include <algorithm>
#include <utility>

namespace katameter::host {
namespace {

wire::Container container_of(const ContainerStats& stats) {
  wire::Container container;
  container.id = stats.id;
  container.cpu_usage_ns = stats.cpu_ns;
  container.memory_usage_bytes = stats.usage_bytes;
  container.memory_working_set_bytes = stats.working_set_bytes;
  container.page_faults = stats.page_faults;
  container.major_page_faults = stats.major_page_faults;
  // A shim that reads an agent's cgroup v1 as if it were v2 has 0 here, which no running process has.
  if (stats.rss_bytes != std::uint64_t{0}) container.memory_rss_bytes = stats.rss_bytes;
  return container;
}

// What is rounded in other ways from one answer to the next must not look like a container that began anew.
void keep_counters(const wire::Container& before, wire::Container& now) {
  for (const wire::ContainerFigure& figure : wire::container_figures) {
    if (is_counter(figure.kind) && before.*figure.value) {
      now.*figure.value = std::max(before.*figure.value, now.*figure.value);
    }
  }
}

}  // namespace

GuestView RuntimeView::update(const std::vector<ContainerStats>& stats, std::int64_t age_seconds) {
  std::vector<wire::Container> now;
  now.reserve(stats.size());
  for (const ContainerStats& of : stats) now.push_back(container_of(of));
  for (wire::Container& before : std::exchange(living_, {})) {
    const auto found = std::ranges::lower_bound(now, before.id, {}, &wire::Container::id);
    if (found == now.end() || found->id != before.id) {
      ended_.push_back(std::move(before));
    } else {
      keep_counters(before, *found);
    }
  }
  living_ = std::move(now);
  GuestView view;
  view.source = GuestSource::runtime;
  view.containers = living_;
  view.age_seconds = age_seconds;
  for (const wire::GuestFigure& figure : wire::guest_figures) view.guest_wide.*figure.value = std::nullopt;
  return view;
}

}  // namespace katameter::host
