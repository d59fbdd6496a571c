#pragma once

#include <prometheus/metric_type.h>

#include <array>
#include <cstdint>

#include "host-probe/exposition/families.h"
#include "userspace/wire/messages.h"

// A container's block I/O, once for each device.
namespace katameter::metric {

struct BlockDeviceMetric {
  Descriptor descriptor;
  std::uint64_t wire::BlockDevice::*figure;
};

/// cAdvisor's; the label `device` is /dev/block/MAJOR:MINOR of the guest, whose names for its devices are not known.
inline constexpr std::array<BlockDeviceMetric, 4> of_block_device{{
    {{"container_fs_reads_total", "Cumulative count of reads completed", prometheus::MetricType::Counter},
     &wire::BlockDevice::reads},
    {{"container_fs_reads_bytes_total", "Cumulative count of bytes read", prometheus::MetricType::Counter},
     &wire::BlockDevice::read_bytes},
    {{"container_fs_writes_total", "Cumulative count of writes completed", prometheus::MetricType::Counter},
     &wire::BlockDevice::writes},
    {{"container_fs_writes_bytes_total", "Cumulative count of bytes written", prometheus::MetricType::Counter},
     &wire::BlockDevice::write_bytes},
}};

/// The bytes once more, with the labels major, minor and operation.
struct BlockDeviceOperation {
  const char* operation;
  std::uint64_t wire::BlockDevice::*figure;
};
inline constexpr Descriptor block_device_usage{"container_blkio_device_usage_total", "Blkio Device bytes usage",
                                               prometheus::MetricType::Counter};
inline constexpr std::array<BlockDeviceOperation, 2> block_device_operations{
    {{"Read", &wire::BlockDevice::read_bytes}, {"Write", &wire::BlockDevice::write_bytes}}};

}  // namespace katameter::metric
