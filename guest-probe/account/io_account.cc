#include "guest-probe/account/io_account.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace katameter {
namespace {

// MAJOR() and MINOR() of the kernel (include/linux/kdev_t.h), not those of user space.
constexpr std::uint32_t minor_bits = 20;

using Counts = DeviceCounts::mapped_type;

void add(Counts& sum, const io_counts& own, const io_counts* handed_up) {
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i] += own.count[i] - (handed_up == nullptr ? 0 : handed_up->count[i]);
  }
}

template <typename Counters>
void raise(Counters& counts, const Counts& last) {
  for (std::size_t i = 0; i < last.size(); ++i) counts[i] = std::max<std::uint64_t>(counts[i], last[i]);
}

struct Level {
  std::uint64_t cgroup_id = 0;
  std::uint32_t depth = 0;
  bool within = false;                   // a container's cgroup, or below one
  bool nested = false;                   // below one
  std::optional<ContainerId> container;  // none if the container's own cgroup is being removed
};

Level level_of(const cgroup_node& node, const Level* above, const CgroupPaths& paths) {
  Level level{.cgroup_id = node.id, .depth = node.depth, .container = std::nullopt};
  if (above != nullptr && above->within) {
    level.within = level.nested = true;
    level.container = above->container;
    return level;
  }
  const auto place = paths.container_of(node.id);
  if (!place) return level;
  level.within = true;
  if ((node.flags & NODE_ONLINE) != 0) level.container = place->id;
  return level;
}

}  // namespace

std::map<ContainerId, ContainerIo> account_io(std::span<const io_record> walk, const CgroupPaths& paths) {
  std::map<ContainerId, ContainerIo> containers;
  std::vector<Level> path;  // the current record's cgroup and those above it
  for (const io_record& record : walk) {
    if (path.empty() || path.back().cgroup_id != record.node.id) {
      while (!path.empty() && path.back().depth >= record.node.depth) path.pop_back();
      path.push_back(level_of(record.node, path.empty() ? nullptr : &path.back(), paths));
    }
    const Level& level = path.back();
    if (!level.container) continue;
    ContainerIo& io = containers[*level.container];
    if (!level.nested) io.cgroup_id = record.node.id;
    add(io.devices[record.device], record.own, level.nested ? &record.handed_up : nullptr);
  }
  return containers;
}

bool walks_agree(std::span<const io_record> first, std::span<const io_record> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const io_record& a, const io_record& b) {
                      return a.node.id == b.node.id && a.device == b.device && a.taken == b.taken &&
                             std::equal(a.handed_up.count, a.handed_up.count + IO_COUNTS, b.handed_up.count);
                    });
}

std::size_t set_io(wire::Container& row, const DeviceCounts& devices) {
  std::size_t left_out = 0;
  row.block_devices.clear();
  for (const auto& [number, counts] : devices) {
    if (std::all_of(counts.begin(), counts.end(), [](std::uint64_t count) { return count == 0; })) continue;
    if (row.block_devices.size() == wire::block_devices_at_most) {
      ++left_out;
      continue;
    }
    row.block_devices.push_back({.major = number >> minor_bits,
                                 .minor = number & ((1u << minor_bits) - 1),
                                 .read_bytes = counts[IO_READ_BYTES],
                                 .write_bytes = counts[IO_WRITE_BYTES],
                                 .reads = counts[IO_READS],
                                 .writes = counts[IO_WRITES]});
  }
  return left_out;
}

void RisingIo::begin() {
  last_ = std::exchange(now_, {});
}

void RisingIo::keep(ContainerIo& io) {
  if (const auto last = last_.find(io.cgroup_id); last != last_.end()) {
    for (auto& [device, counts] : io.devices) {
      if (const auto known = last->second.find(device); known != last->second.end()) raise(counts, known->second);
    }
  }
  now_[io.cgroup_id] = io.devices;
}

void RisingIo::keep(std::uint64_t cgroup_id, removed_record& removed) const {
  const auto last = now_.find(cgroup_id);
  if (last == now_.end()) return;
  for (std::size_t i = 0; i < std::min<std::size_t>(removed.io_devices, IO_REMOVED); ++i) {
    io_total& total = removed.io[i];
    if (const auto known = last->second.find(total.device); known != last->second.end()) {
      raise(total.counts.count, known->second);
    }
  }
}

DeviceCounts removed_io(const removed_record& removed) {
  DeviceCounts devices;
  for (std::size_t i = 0; i < std::min<std::size_t>(removed.io_devices, IO_REMOVED); ++i) {
    add(devices[removed.io[i].device], removed.io[i].counts, nullptr);
  }
  return devices;
}

}  // namespace katameter
