#include "host-probe/guest/rules.h"

#include <fmt/core.h>

#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/wire/messages.h"

namespace katameter::host {
namespace {

constexpr std::uint64_t max_cpus = 4096;
constexpr std::uint64_t max_tasks = 4 * 1024 * 1024;
// What a double holds exactly: beyond it a series would not have the exact value. As bytes: 8 PiB.
constexpr std::uint64_t max_value = std::uint64_t{1} << 53;

std::uint64_t times(std::uint64_t one, std::uint64_t count) {
  return one > std::numeric_limits<std::uint64_t>::max() / count ? std::numeric_limits<std::uint64_t>::max()
                                                                 : one * count;
}

template <typename AnyFigure>
std::uint64_t max_of(const AnyFigure& figure, std::uint64_t boottime_ns) {
  if (figure.kind == FigureKind::limit) return std::numeric_limits<std::uint64_t>::max();
  switch (figure.unit) {
    case FigureUnit::cpu_time: return times(boottime_ns, max_cpus);
    case FigureUnit::task_time:
    case FigureUnit::boottime: return times(boottime_ns, max_tasks);
    default: return max_value;
  }
}

Drop too_much(std::string_view name, const std::string& whose, std::uint64_t value) {
  return {DropReason::out_of_range, fmt::format("{} of {} cannot be {}", name, whose, value)};
}

// A counter that was there and is not now has not fallen: the kernel may have stopped giving it.
bool fell(const wire::Figure& before, const wire::Figure& now) {
  return before && now && *now < *before;
}

Drop went_back(std::string_view what) {
  return {DropReason::counter_fell, fmt::format("{} of the guest went back", what)};
}

// The names become values of a label. Their counters may fall: an interface can be taken away and made again.
std::optional<Drop> check_interfaces(const wire::Snapshot& snapshot) {
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
template <typename Device, typename Whose>
std::optional<Drop> check_numbers(const std::vector<Device>& devices, const Whose& whose) {
  constexpr std::uint32_t majors = 1u << 12;  // include/linux/kdev_t.h
  constexpr std::uint32_t minors = 1u << 20;
  std::set<std::pair<std::uint32_t, std::uint32_t>> numbers;
  for (const Device& device : devices) {
    if (device.major >= majors || device.minor >= minors) {
      return Drop{DropReason::bad_block_device,
                  fmt::format("{}:{} cannot be a block device", device.major, device.minor)};
    }
    if (!numbers.emplace(device.major, device.minor).second) {
      return Drop{DropReason::bad_block_device,
                  fmt::format("{} lists the block device {}:{} twice", whose(), device.major, device.minor)};
    }
  }
  return std::nullopt;
}

std::optional<Drop> check_block_devices(const wire::Snapshot& snapshot) {
  for (const wire::Container& container : snapshot.containers) {
    const auto whose = [&] { return "container " + container.id.hex(); };
    if (std::optional<Drop> broken = check_numbers(container.block_devices, whose)) return broken;
  }
  return check_numbers(snapshot.disks, [] { return std::string("the guest"); });
}

// The mount points and numbers become values of labels, too.
std::optional<Drop> check_volumes(const wire::Snapshot& snapshot) {
  std::vector<wire::Volume> on_devices;
  std::set<std::string_view> names;
  for (const wire::Volume& volume : snapshot.volumes) {
    if (!wire::is_mount_point(volume.name)) {
      return Drop{DropReason::bad_volume, fmt::format("'{}' cannot be where a volume is mounted", volume.name)};
    }
    if (volume.is_on_device()) {
      on_devices.push_back(volume);
    } else if (!names.insert(volume.name).second) {
      return Drop{DropReason::bad_volume, fmt::format("volume '{}' is listed twice", volume.name)};
    }
  }
  return check_numbers(on_devices, [] { return std::string("the list of volumes"); });
}

std::optional<Drop> check_duplicates(const wire::Snapshot& snapshot) {
  std::set<ContainerId> living;
  for (const wire::Container& container : snapshot.containers) {
    if (!container.removed && !living.insert(container.id).second) {
      return Drop{DropReason::duplicate_container,
                  fmt::format("container {} is listed twice as living", container.id.hex())};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Drop> check_values(const wire::Snapshot& snapshot) {
  for (const wire::Container& container : snapshot.containers) {
    for (const wire::ContainerFigure& figure : wire::container_figures) {
      const wire::Figure& value = container.*figure.value;
      if (!value || *value <= max_of(figure, snapshot.boottime_ns)) continue;
      return too_much(figure.name, "container " + container.id.hex(), *value);
    }
    for (const wire::BlockDevice& device : container.block_devices) {
      for (const wire::BlockDeviceFigure& figure : wire::block_device_figures) {
        if (device.*figure.value <= max_value) continue;
        return too_much(figure.name, "a block device of container " + container.id.hex(), device.*figure.value);
      }
    }
  }
  for (const wire::GuestFigure& figure : wire::guest_figures) {
    const wire::Figure& value = snapshot.guest.*figure.value;
    if (value && *value > max_of(figure, snapshot.boottime_ns)) return too_much(figure.name, "the guest", *value);
  }
  for (const wire::Interface& link : snapshot.interfaces) {
    for (const wire::InterfaceFigure& figure : wire::interface_figures) {
      if (link.*figure.value > max_value) return too_much(figure.name, "interface " + link.name, link.*figure.value);
    }
  }
  for (const wire::Disk& disk : snapshot.disks) {
    for (const wire::DiskFigure& figure : wire::disk_figures) {
      if (disk.*figure.value > max_value) {
        return too_much(figure.name, fmt::format("block device {}:{}", disk.major, disk.minor), disk.*figure.value);
      }
    }
  }
  for (const wire::Volume& volume : snapshot.volumes) {
    for (const wire::VolumeFigure& figure : wire::volume_figures) {
      const bool limits = figure.value == &wire::Volume::limit_bytes || figure.value == &wire::Volume::inodes;
      if (!limits && volume.*figure.value > max_value) {
        return too_much(figure.name, "volume " + volume.name, volume.*figure.value);
      }
    }
  }
  return std::nullopt;
}

namespace {

std::uint64_t with_reserve(std::uint64_t bytes) {
  constexpr std::uint64_t mebibyte = 1024 * 1024;
  return bytes + bytes / 8 + 64 * mebibyte;
}

// What is in RAM now. A peak may be of a time when the guest had more.
constexpr bool is_in_ram(std::size_t figure) {
  const FigureKind kind = wire::container_figures[figure].kind;
  return wire::container_figures[figure].unit == FigureUnit::bytes && kind == FigureKind::gauge &&
         figure != figure::memory_swap_bytes && figure != figure::memory_swap_peak_bytes &&
         figure != figure::memory_zswapped_bytes && figure != figure::memory_peak_bytes;
}

}  // namespace

std::optional<Drop> check_memory(const wire::Guest& guest, const std::vector<wire::Container>& containers,
                                 std::uint64_t mapped_bytes) {
  if (!guest.memory_total_bytes) return std::nullopt;
  const std::uint64_t total = *guest.memory_total_bytes;
  const auto claim = [](std::string_view what, std::uint64_t bytes, std::uint64_t of) {
    return Drop{DropReason::memory_claim,
                fmt::format("it reports {} MiB as {}, and can have {} MiB", bytes >> 20, what, of >> 20)};
  };
  if (mapped_bytes > 0 && total > with_reserve(mapped_bytes)) return claim("its memory", total, mapped_bytes);
  constexpr auto& in_ram = figures_where<&is_in_ram>;
  std::array<std::uint64_t, in_ram.size()> sums{};
  for (const wire::Container& container : containers) {
    if (container.removed) continue;
    // No sum overflows: a snapshot has at most 4,096 containers, a value is at most 2^53.
    for (std::size_t i = 0; i < in_ram.size(); ++i) {
      sums[i] += (container.*wire::container_figures[in_ram[i]].value).value_or(0);
    }
  }
  for (std::size_t i = 0; i < in_ram.size(); ++i) {
    if (sums[i] > with_reserve(total)) return claim(wire::container_figures[in_ram[i]].name, sums[i], total);
  }
  const std::uint64_t unattributed = guest.unattributed_memory_usage_bytes.value_or(0);
  if (unattributed > with_reserve(total)) return claim("unattributed_memory_usage_bytes", unattributed, total);
  return std::nullopt;
}

std::optional<Drop> SnapshotRules::check(const wire::Snapshot& snapshot, Time now) const {
  std::optional<Drop> broken = check_values(snapshot);
  if (!broken) broken = check_duplicates(snapshot);
  if (!broken) broken = check_interfaces(snapshot);
  if (!broken) broken = check_block_devices(snapshot);
  if (!broken) broken = check_volumes(snapshot);
  if (broken || !last_) return broken;
  broken = check_clock(snapshot, now);
  if (!broken) broken = check_guest(snapshot);
  if (!broken) broken = check_containers(snapshot);
  return broken;
}

void SnapshotRules::compare_with(const wire::Snapshot& snapshot, Time now) {
  last_ = {snapshot.boottime_ns, now, {}, {}};
  for (std::size_t i = 0; i < monotonic_of_guest.size(); ++i)
    last_->guest[i] = snapshot.guest.*wire::guest_figures[monotonic_of_guest[i]].value;
  for (const wire::Container& container : snapshot.containers) {
    if (container.removed) continue;
    Counters& counters = last_->living[container.id];
    for (std::size_t i = 0; i < monotonic.size(); ++i)
      counters[i] = container.*wire::container_figures[monotonic[i]].value;
  }
}

std::optional<Drop> SnapshotRules::check_clock(const wire::Snapshot& snapshot, Time now) const {
  if (snapshot.boottime_ns < last_->boottime_ns) return went_back("boottime_ns");
  const std::uint64_t passed_ns = snapshot.boottime_ns - last_->boottime_ns;
  const Time host_passed = now - last_->received;
  if (passed_ns <= static_cast<std::uint64_t>((host_passed + clock_slack).count())) return std::nullopt;
  return Drop{DropReason::from_future,
              fmt::format("its clock went on by {} ms since the last snapshot, the host's by {} ms",
                          passed_ns / 1'000'000, host_passed.count() / 1'000'000)};
}

std::optional<Drop> SnapshotRules::check_guest(const wire::Snapshot& snapshot) const {
  for (std::size_t i = 0; i < monotonic_of_guest.size(); ++i) {
    const wire::GuestFigure& figure = wire::guest_figures[monotonic_of_guest[i]];
    if (fell(last_->guest[i], snapshot.guest.*figure.value)) return went_back(figure.name);
  }
  return std::nullopt;
}

std::optional<Drop> SnapshotRules::check_containers(const wire::Snapshot& snapshot) const {
  std::map<ContainerId, int> entries;
  for (const wire::Container& container : snapshot.containers) ++entries[container.id];
  for (const wire::Container& container : snapshot.containers) {
    // Beside the last values of a removed cgroup there may be a new one of the same id, which starts at 0; which of
    // them continues the last one is not known.
    if (entries[container.id] > 1) continue;
    if (std::optional<Drop> broken = check_container(container)) return broken;
  }
  return std::nullopt;
}

std::optional<Drop> SnapshotRules::check_container(const wire::Container& container) const {
  const auto before = last_->living.find(container.id);
  if (before == last_->living.end()) return std::nullopt;
  for (std::size_t i = 0; i < monotonic.size(); ++i) {
    const wire::ContainerFigure& figure = wire::container_figures[monotonic[i]];
    if (!fell(before->second[i], container.*figure.value)) continue;
    return Drop{DropReason::counter_fell, fmt::format("{} of container {} went back", figure.name, container.id.hex())};
  }
  return std::nullopt;
}

}  // namespace katameter::host
