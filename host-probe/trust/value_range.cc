#include "host-probe/trust/value_range.h"

#include <fmt/core.h>

#include <array>
#include <limits>
#include <string_view>

namespace katameter {
namespace {

constexpr std::uint64_t most_cpus = 4096;
constexpr std::uint64_t most_tasks = 4 * 1024 * 1024;
// What a double holds exactly: beyond it a series would not be the figure. As bytes: 8 PiB.
constexpr std::uint64_t most = std::uint64_t{1} << 53;

constexpr std::array cpu_times{&wire::Container::cpu_usage_ns, &wire::Container::cpu_user_ns,
                               &wire::Container::cpu_system_ns, &wire::Container::sched_run_ns};
constexpr std::array limits{&wire::Container::memory_limit_bytes, &wire::Container::memory_swap_limit_bytes,
                            &wire::Container::memory_reservation_bytes, &wire::Container::threads_max,
                            &wire::Container::cpu_quota_us};

template <typename List, typename Item>
bool contains(const List& list, Item item) {
  for (const auto& one : list) {
    if (one == item) return true;
  }
  return false;
}

std::uint64_t times(std::uint64_t one, std::uint64_t count) {
  return one > std::numeric_limits<std::uint64_t>::max() / count ? std::numeric_limits<std::uint64_t>::max()
                                                                 : one * count;
}

std::uint64_t most_of(const wire::ContainerFigure& figure, std::uint64_t boottime_ns) {
  if (contains(limits, figure.value)) return std::numeric_limits<std::uint64_t>::max();
  if (contains(cpu_times, figure.value)) return times(boottime_ns, most_cpus);
  return figure.name.ends_with("_ns") ? times(boottime_ns, most_tasks) : most;
}

std::uint64_t most_of(const wire::GuestFigure& figure, std::uint64_t boottime_ns) {
  return figure.name.ends_with("_ns") ? times(boottime_ns, most_cpus) : most;
}

Drop too_much(std::string_view name, const std::string& whose, std::uint64_t value) {
  return {DropReason::out_of_range, fmt::format("{} of {} cannot be {}", name, whose, value)};
}

}  // namespace

std::optional<Drop> check_values(const wire::Snapshot& snapshot) {
  for (const wire::Container& container : snapshot.containers) {
    for (const wire::ContainerFigure& figure : wire::container_figures) {
      const wire::Figure& value = container.*figure.value;
      if (!value || *value <= most_of(figure, snapshot.boottime_ns)) continue;
      return too_much(figure.name, "container " + container.id.hex(), *value);
    }
    for (const wire::BlockDevice& device : container.block_devices) {
      for (const wire::BlockDeviceFigure& figure : wire::block_device_figures) {
        if (device.*figure.value <= most) continue;
        return too_much(figure.name, "a block device of container " + container.id.hex(), device.*figure.value);
      }
    }
  }
  for (const wire::GuestFigure& figure : wire::guest_figures) {
    const wire::Figure& value = snapshot.guest.*figure.value;
    if (value && *value > most_of(figure, snapshot.boottime_ns)) return too_much(figure.name, "the guest", *value);
  }
  for (const wire::Interface& link : snapshot.interfaces) {
    for (const wire::InterfaceFigure& figure : wire::interface_figures) {
      if (link.*figure.value > most) return too_much(figure.name, "interface " + link.name, link.*figure.value);
    }
  }
  return std::nullopt;
}

}  // namespace katameter
