#include "host-probe/node/runtime_view.h"

#include <algorithm>
#include <utility>

#include "host-probe/guest/rules.h"
#include "host-probe/node/guest_run.h"

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

void RuntimeView::set_host(std::optional<std::uint64_t> given_ns, std::uint64_t mapped_bytes, Time now) {
  mapped_bytes_ = mapped_bytes;
  given_known_ = given_ns.has_value();
  if (!given_ns) return;
  if (!given_since_ || *given_ns < given_ns_) given_since_ = now;
  given_ns_ = *given_ns;
  cpu_.set_given(*given_ns);
}

std::optional<Drop> RuntimeView::check(const std::vector<wire::Container>& containers, Time asked) {
  wire::Snapshot snapshot;
  snapshot.boottime_ns = static_cast<std::uint64_t>(HostTime::now().boottime.count());
  snapshot.containers = containers;
  if (std::optional<Drop> broken = check_values(snapshot)) return broken;
  if (mapped_bytes_ > 0) {
    wire::Guest guest;
    guest.memory_total_bytes = mapped_bytes_;
    if (std::optional<Drop> broken = check_memory(guest, containers, mapped_bytes_)) return broken;
  }
  // Statistics that are older than what is known of the vCPUs would begin with time that is not in that.
  return given_known_ && asked >= *given_since_ ? cpu_.check_containers(containers) : std::nullopt;
}

tl::expected<GuestView, Drop> RuntimeView::update(const std::vector<ContainerStats>& stats, std::int64_t age_seconds,
                                                  Time now) {
  std::vector<wire::Container> containers;
  containers.reserve(stats.size());
  for (const ContainerStats& of : stats) containers.push_back(container_of(of));
  const auto find = [&](const ContainerId& id) {
    const auto found = std::ranges::lower_bound(containers, id, {}, &wire::Container::id);
    return found == containers.end() || found->id != id ? nullptr : &*found;
  };
  std::size_t new_ones = containers.size();
  for (const wire::Container& before : living_) {
    wire::Container* same = find(before.id);
    if (same == nullptr) continue;
    keep_counters(before, *same);
    --new_ones;
  }
  if (std::optional<Drop> broken = check(containers, now - std::chrono::seconds(age_seconds + 1))) {
    return tl::make_unexpected(*std::move(broken));
  }
  for (wire::Container& before : living_) {
    if (find(before.id) == nullptr) ended_.push_back(std::move(before));
  }
  started_ |= new_ones > 0;
  living_ = std::move(containers);
  GuestView view;
  view.source = GuestSource::runtime;
  view.containers = living_;
  view.age_seconds = age_seconds;
  for (const wire::GuestFigure& figure : wire::guest_figures) view.guest_wide.*figure.value = std::nullopt;
  return view;
}

}  // namespace katameter::host
