#include "host-probe/trust/snapshot_rules.h"

#include <fmt/core.h>

#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "host-probe/trust/value_range.h"
#include "userspace/wire/interface_name.h"

namespace katameter {
namespace {

// The container's figures that only ever rise. Not memory_failcnt: the guest's administrator may write 0 to it. Not
// cpu_user_ns and cpu_system_ns: kernels divide the usage between the two, and a guest-probe that was started again
// does not know how it was divided before.
constexpr std::array rising{&wire::Container::cpu_usage_ns, &wire::Container::oom_kills, &wire::Container::cfs_periods,
                            &wire::Container::cfs_throttled_periods, &wire::Container::cfs_throttled_ns};

// A figure that was there and is not now is no fall: the kernel may have stopped giving it.
bool fell(const wire::Figure& before, const wire::Figure& now) {
  return before && now && *now < *before;
}

std::string_view name_of(wire::Figure wire::Container::*value) {
  for (const wire::ContainerFigure& figure : wire::container_figures) {
    if (figure.value == value) return figure.name;
  }
  return "a figure";
}

}  // namespace

void SnapshotRules::connected(const std::string& boot_id) {
  if (boot_id == boot_id_) return;
  boot_id_ = boot_id;
  known_ = {};
}

std::optional<Drop> SnapshotRules::check(const wire::Snapshot& snapshot, Time now) {
  std::optional<Drop> broken = check_values(snapshot);
  if (!broken) broken = check_clock(snapshot, now);
  if (!broken) broken = check_guest(snapshot);
  if (!broken) broken = check_containers(snapshot);
  if (!broken) broken = check_interfaces(snapshot);
  if (!broken) broken = check_block_devices(snapshot);
  if (broken) return broken;
  known_ = {snapshot.guest, snapshot.boottime_ns, now, {}};
  for (const wire::Container& container : snapshot.containers) {
    if (!container.removed) known_.living.emplace(container.id, container);
  }
  return std::nullopt;
}

std::optional<Drop> SnapshotRules::check_clock(const wire::Snapshot& snapshot, Time now) const {
  if (!known_.received || snapshot.boottime_ns < known_.boottime_ns) return std::nullopt;
  const std::uint64_t passed_ns = snapshot.boottime_ns - known_.boottime_ns;
  const auto at_most = now - *known_.received + clock_slack;
  if (passed_ns <= static_cast<std::uint64_t>(std::chrono::nanoseconds(at_most).count())) return std::nullopt;
  return Drop{
      DropReason::from_future,
      fmt::format("its clock went on by {} ms since the last snapshot, the host's by {} ms", passed_ns / 1'000'000,
                  std::chrono::duration_cast<std::chrono::milliseconds>(now - *known_.received).count())};
}

// The names become values of a label. Their counters may fall: an interface can be taken away and made again.
std::optional<Drop> SnapshotRules::check_interfaces(const wire::Snapshot& snapshot) {
  std::set<std::string_view> names;
  for (const wire::Interface& link : snapshot.interfaces) {
    if (!wire::is_interface_name(link.name)) {
      return Drop{DropReason::bad_interface, fmt::format("'{}' cannot be a network interface", link.name)};
    }
    if (!names.insert(link.name).second) {
      return Drop{DropReason::bad_interface, fmt::format("interface {} is listed twice", link.name)};
    }
  }
  return std::nullopt;
}

// The numbers become values of labels. Their counters may fall: a device can be taken away and another one put there.
std::optional<Drop> SnapshotRules::check_block_devices(const wire::Snapshot& snapshot) {
  constexpr std::uint32_t majors = 1u << 12;  // include/linux/kdev_t.h
  constexpr std::uint32_t minors = 1u << 20;
  for (const wire::Container& container : snapshot.containers) {
    std::set<std::pair<std::uint32_t, std::uint32_t>> numbers;
    for (const wire::BlockDevice& device : container.block_devices) {
      if (device.major >= majors || device.minor >= minors) {
        return Drop{DropReason::bad_block_device,
                    fmt::format("{}:{} cannot be a block device", device.major, device.minor)};
      }
      if (!numbers.emplace(device.major, device.minor).second) {
        return Drop{DropReason::bad_block_device, fmt::format("container {} lists the block device {}:{} twice",
                                                              container.id.hex(), device.major, device.minor)};
      }
    }
  }
  return std::nullopt;
}

std::optional<Drop> SnapshotRules::check_guest(const wire::Snapshot& snapshot) const {
  const auto drop = [](std::string_view what) {
    return Drop{DropReason::counter_fell, fmt::format("{} of the guest went back", what)};
  };
  if (snapshot.boottime_ns < known_.boottime_ns) return drop("boottime_ns");
  if (fell(known_.guest.cpu_usage_ns, snapshot.guest.cpu_usage_ns)) return drop("cpu_usage_ns");
  if (fell(known_.guest.workload_cpu_usage_ns, snapshot.guest.workload_cpu_usage_ns)) {
    return drop("workload_cpu_usage_ns");
  }
  return std::nullopt;
}

std::optional<Drop> SnapshotRules::check_containers(const wire::Snapshot& snapshot) const {
  std::map<ContainerId, int> entries;
  std::map<ContainerId, int> living;
  for (const wire::Container& container : snapshot.containers) {
    ++entries[container.id];
    if (!container.removed && ++living[container.id] > 1) {
      return Drop{DropReason::duplicate_container,
                  fmt::format("container {} is listed twice as living", container.id.hex())};
    }
  }
  for (const wire::Container& container : snapshot.containers) {
    // Beside the last values of a removed cgroup there may be a new one of the same id, which starts at 0; which of
    // them continues what is known is not said.
    if (entries[container.id] > 1) continue;
    if (std::optional<Drop> broken = check_container(container)) return broken;
  }
  return std::nullopt;
}

std::optional<Drop> SnapshotRules::check_container(const wire::Container& container) const {
  const auto before = known_.living.find(container.id);
  if (before == known_.living.end()) return std::nullopt;
  for (const auto figure : rising) {
    if (fell(before->second.*figure, container.*figure)) {
      return Drop{DropReason::counter_fell,
                  fmt::format("{} of container {} went back", name_of(figure), container.id.hex())};
    }
  }
  return std::nullopt;
}

}  // namespace katameter
