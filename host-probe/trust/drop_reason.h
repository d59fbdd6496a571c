#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace katameter {

/// Why a connection to a guest ended, or a frame of it was not believed.
enum class DropReason {
  absent,               // nobody listens: no guest-probe in there, or not yet. Normal
  closed,               // the guest closed between two frames. Normal
  unreachable,          // its socket is there and cannot be connected to: no permission
  silent,               // no answer within the deadline
  handshake,            // the VMM's answer to CONNECT was no OK line
  malformed,            // bytes that are no frame of the schema
  truncated,            // closed in mid-frame
  unexpected,           // a message that has no place here: unasked, twice, before the Hello
  protocol_version,     // speaks another version of the protocol
  stalled,              // sends, but does not take what it is sent
  counter_fell,         // a counter of a snapshot went back
  duplicate_container,  // a snapshot lists a living container twice
  bad_interface,        // a network interface whose name cannot be one, or that is listed twice
  out_of_range,         // a figure that no guest can have
  from_future,          // the guest's clock went faster than the host's
  flood,                // more bytes or events than a guest-probe ever sends
  bad_block_device,     // a block device whose number cannot be one, or that a container lists twice
  cpu_claim,            // claims more CPU time than the host gave its vCPUs
  costly,               // what it sends takes the host more time than a guest-probe's messages do
  refused,              // does not do what it was asked, and says why
};

inline constexpr std::size_t drop_reasons = 20;

/// The value of the `reason` label.
constexpr std::string_view name(DropReason reason) {
  constexpr std::array<std::string_view, drop_reasons> names{
      "absent",        "closed",       "unreachable",      "silent",  "handshake",        "malformed",
      "truncated",     "unexpected",   "protocol_version", "stalled", "counter_fell",     "duplicate_container",
      "bad_interface", "out_of_range", "from_future",      "flood",   "bad_block_device", "cpu_claim",
      "costly",        "refused"};
  return names[static_cast<std::size_t>(reason)];
}

/// False for what happens to every sandbox in its life.
constexpr bool is_fault(DropReason reason) {
  return reason != DropReason::absent && reason != DropReason::closed;
}

/// True if a well-behaved guest-probe never gives this reason: the guest is to be looked at. The others also happen to
/// a guest that boots, is paused or was not upgraded.
constexpr bool is_suspect(DropReason reason) {
  return is_fault(reason) && reason != DropReason::unreachable && reason != DropReason::silent &&
         reason != DropReason::truncated && reason != DropReason::protocol_version && reason != DropReason::refused;
}

struct Drop {
  DropReason reason = DropReason::closed;
  std::string text;  // for the log; says what came
};

}  // namespace katameter
