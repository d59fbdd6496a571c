#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "userspace/result.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

// How large a snapshot can become. One that keeps to max_snapshot_rows fits a frame, whatever its figures are.
// Between messages and the bytes of one frame's payload (katameter.proto); framing is in frame.h.
namespace katameter::wire {

/// Containers in one snapshot, those that have ended included.
inline constexpr std::size_t max_snapshot_rows = 2200;

/// Largest frame in which containers have their cgroups' paths, bytes: all that older hosts take.
inline constexpr std::size_t max_frame_bytes_with_paths = std::size_t{1} << 20;

namespace encoded {

// Upper bounds, bytes.
constexpr std::size_t varint(std::uint64_t value) {
  std::size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}
constexpr std::size_t tag(std::uint32_t field) {
  return varint(std::uint64_t{field} << 3);
}
constexpr std::size_t number(std::uint32_t field, std::uint64_t largest = UINT64_MAX) {
  return tag(field) + varint(largest);
}
constexpr std::size_t nested(std::uint32_t field, std::size_t bytes) {
  return tag(field) + varint(bytes) + bytes;
}
template <typename Table>
constexpr std::size_t figures(const Table& table) {
  std::size_t bytes = 0;
  for (const auto& figure : table) bytes += number(figure.field);
  return bytes;
}

inline constexpr std::size_t max_block_device =
    nested(4, number(1, UINT32_MAX) + number(2, UINT32_MAX) + figures(block_device_figures));
/// A container without the path of its cgroup.
inline constexpr std::size_t max_container =
    nested(4, nested(1, 32) + number(3, 1) + max_block_devices * max_block_device + figures(container_figures));
inline constexpr std::size_t max_guest = nested(5, figures(guest_figures));
inline constexpr std::size_t max_interface = nested(8, nested(1, 15) + figures(interface_figures));
inline constexpr std::size_t max_disk =
    nested(10, number(1, UINT32_MAX) + number(2, UINT32_MAX) + figures(disk_figures));
inline constexpr std::size_t max_volume = nested(
    11, nested(1, max_mount_point_bytes) + number(6, UINT32_MAX) + number(7, UINT32_MAX) + figures(volume_figures));
/// Request, sequence, time, and the frame's own tag and length.
inline constexpr std::size_t max_snapshot = nested(2, max_frame_bytes) - max_frame_bytes + number(1) + number(2) +
                                            number(3) + max_snapshot_rows * max_container + max_guest +
                                            max_interfaces * max_interface + max_disks * max_disk +
                                            max_volumes * max_volume;

}  // namespace encoded

// Where a figure more makes this fail: a larger max_frame_bytes, which hosts have to know before guests use it, or fewer
// rows.
static_assert(encoded::max_snapshot <= max_frame_bytes);

std::string encode(const HostMessage& message);
/// Of a large snapshot, without the paths of its containers.
std::string encode(const GuestMessage& message);

/// What a host may believe of a guest's frame. Numbers come from what a guest could sensibly have (DESIGN: trust).
struct Limits {
  std::size_t containers = 4096;                  // in one snapshot
  std::size_t interfaces = max_interfaces;        // in one snapshot
  std::size_t disks = max_disks;                  // in one snapshot
  std::size_t volumes = max_volumes;              // in one snapshot
  std::size_t block_devices = max_block_devices;  // of one container
  std::size_t text_bytes = 4096;                  // in one string: a cgroup path, a version
  std::size_t lacks = 64;                         // entries of Hello.lacks
};

/// The bytes come from the other side and may be anything: a frame that is not a well-formed message of the schema, or
/// goes beyond `limits`, is an error that says which field was wrong. Unknown fields are skipped; a frame with nothing
/// else is an Unknown message. Never throws.
Result<HostMessage> decode_host_message(std::string_view payload, const Limits& limits = {});
Result<GuestMessage> decode_guest_message(std::string_view payload, const Limits& limits = {});

}  // namespace katameter::wire
