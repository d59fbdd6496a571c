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

template <typename Counters>
void raise(Counters& counts, const Counts& last) {
  for (std::size_t i = 0; i < last.size(); ++i) counts[i] = std::max<std::uint64_t>(counts[i], last[i]);
}

}  // namespace

std::vector<ContainerIo> account_io(std::span<const io_record> walk) {
  std::vector<ContainerIo> containers;
  for (const io_record& record : walk) {
    if (containers.empty() || containers.back().cgroup_id != record.id) containers.push_back({record.id, {}});
    std::copy_n(record.counts.count, IO_COUNTS, containers.back().devices[record.device].begin());
  }
  return containers;
}

bool walks_agree(std::span<const io_record> first, std::span<const io_record> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const io_record& a, const io_record& b) {
                      return a.id == b.id && a.device == b.device && a.check == b.check;
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
    std::copy_n(removed.io[i].counts.count, IO_COUNTS, devices[removed.io[i].device].begin());
  }
  return devices;
}

}  // namespace katameter
