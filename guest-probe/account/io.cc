#include "guest-probe/account/io.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {
namespace {

// MAJOR() and MINOR() of the kernel (include/linux/kdev_t.h), not those of user space.
constexpr std::uint32_t minor_bits = 20;

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
                                 .minor = number & ((1u << minor_bits) - 1),
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
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<wire::Volume> volumes;
  for (const volume_record& record : records) {
    const std::string name(record.name, strnlen(record.name, sizeof(record.name)));
    const auto has_name = [&](const wire::Volume& volume) { return volume.name == name; };
    if (!wire::is_volume_name(name) || std::any_of(volumes.begin(), volumes.end(), has_name)) continue;
    // What the CPUs have not added up yet may be more than what was freed.
    const auto used = std::max<std::int64_t>(static_cast<std::int64_t>(record.used_pages), 0);
    volumes.push_back({name, static_cast<std::uint64_t>(used) * page, record.max_pages * page, record.free_inodes,
                       record.max_inodes});
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
