#include "guest-probe/account/io.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {
namespace {

// MAJOR() and MINOR() of the kernel (include/linux/kdev_t.h), not those of user space.
constexpr std::uint32_t minor_bits = 20;
constexpr std::uint32_t max_minor = (1u << minor_bits) - 1;

// Without the "/" before it if it has more components than a record.
std::string path_of(const volume_record& record) {
  std::string path;
  for (const char(&part)[PATH_PART_BYTES] : record.path) {
    if (part[0] == 0) break;
    if (!path.empty()) path.insert(0, 1, '/');
    path.insert(0, part, strnlen(part, sizeof(part)));
  }
  return record.path_is_whole != 0 ? "/" + path : path;
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
    if (row.block_devices.size() == wire::max_block_devices) {
      ++left_out;
      continue;
    }
    row.block_devices.push_back({.major = number >> minor_bits,
                                 .minor = number & max_minor,
                                 .read_bytes = counts[IO_READ_BYTES],
                                 .write_bytes = counts[IO_WRITE_BYTES],
                                 .reads = counts[IO_READS],
                                 .writes = counts[IO_WRITES],
                                 .discard_bytes = counts[IO_DISCARD_BYTES]});
  }
  return left_out;
}

void IoCounters::raise(ContainerIo& io) {
  for (auto& [device, counts] : io.devices) counters_.raise({io.cgroup_id, device}, counts);
}

void IoCounters::raise_removed(std::uint64_t cgroup_id, removed_record& removed) const {
  for (std::size_t i = 0; i < std::min<std::size_t>(removed.io_devices, IO_REMOVED); ++i) {
    io_total& total = removed.io[i];
    std::array<std::uint64_t, IO_COUNTS> counts{};
    std::copy_n(total.counts.count, IO_COUNTS, counts.begin());
    counters_.raise_removed({cgroup_id, total.device}, counts);
    std::copy(counts.begin(), counts.end(), total.counts.count);
  }
}

DeviceCounts removed_io(const removed_record& removed) {
  DeviceCounts devices;
  for (std::size_t i = 0; i < std::min<std::size_t>(removed.io_devices, IO_REMOVED); ++i) {
    std::copy_n(removed.io[i].counts.count, IO_COUNTS, devices[removed.io[i].device].begin());
  }
  return devices;
}

std::vector<wire::Volume> account_volumes(std::span<const volume_record> records) {
  std::vector<wire::Volume> volumes;
  for (const volume_record& record : records) {
    wire::Volume volume{.name = path_of(record),
                        .used_bytes = record.used_blocks * record.block_bytes,
                        .limit_bytes = record.max_blocks * record.block_bytes,
                        .free_inodes = record.free_inodes,
                        .inodes = record.max_inodes,
                        .major = record.device >> minor_bits,
                        .minor = record.device & max_minor};
    const auto is_same = [&](const wire::Volume& other) { return wire::is_same_volume(volume, other); };
    if (!wire::is_mount_point(volume.name) || std::any_of(volumes.begin(), volumes.end(), is_same)) continue;
    volumes.push_back(std::move(volume));
  }
  return volumes;
}

void set_virtiofs(wire::Container& row, const virtiofs_sums& sums, const FigureSet& served) {
  const auto value_of = [&](std::size_t index) { return sums.value[index]; };
  set_figures<FigureGroup::virtiofs>(row, served, value_of);
  set_figures<FigureGroup::virtiofs_answers>(row, served, value_of);
  // Its two ends are counted on two CPUs, and the later one may be read first.
  const auto in_flight = static_cast<std::int64_t>(sums.value[VIRTIOFS_IN_FLIGHT]);
  set_figure<figure::virtiofs_in_flight>(row, served, static_cast<std::uint64_t>(std::max<std::int64_t>(in_flight, 0)));
}

}  // namespace katameter::guest
