#pragma once

#include <string>
#include <string_view>

#include "userspace/result.h"
#include "userspace/wire/messages.h"

// Between messages and the bytes of one frame's payload (katameter.proto); framing is in frame.h.
namespace katameter::wire {

std::string encode(const HostMessage& message);
/// Of a large snapshot, without the paths of its containers (snapshot_size.h).
std::string encode(const GuestMessage& message);

/// What a host may believe of a guest's frame. Numbers come from what a guest could sensibly have (DESIGN: trust).
struct Limits {
  std::size_t containers = 4096;                  // in one snapshot
  std::size_t interfaces = max_interfaces;        // in one snapshot
  std::size_t block_devices = max_block_devices;  // of one container
  std::size_t text_bytes = 4096;                  // in one string: a cgroup path, a version
  std::size_t lacks = 64;                         // entries of Hello.lacks
};

/// The bytes come from the other side and may be anything: a frame that is no well-formed message of the schema, or
/// goes beyond `limits`, is an error that says which field was wrong. Unknown fields are skipped; a frame with nothing
/// else is an Unknown message. Never throws.
Result<HostMessage> decode_host_message(std::string_view payload, const Limits& limits = {});
Result<GuestMessage> decode_guest_message(std::string_view payload, const Limits& limits = {});

}  // namespace katameter::wire
