#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace katameter::host {

/// Why a connection to a guest ended, or a message of it was rejected.
enum class DropReason {
  absent,               // nothing listens: guest-probe is not in the guest, or has not started yet. Normal
  closed,               // the guest closed between two frames. Normal
  unreachable,          // its socket is there and cannot be connected to: no permission
  silent,               // no answer within the timeout
  handshake,            // the VMM's answer to CONNECT was not an OK line
  malformed,            // bytes that are not a frame of the schema
  truncated,            // closed within a frame
  unexpected,           // a message out of place: not asked for, sent twice, sent before the Hello
  protocol_version,     // speaks another version of the protocol
  stalled,              // sends, but does not read
  counter_fell,         // a counter or the clock of a snapshot went back
  duplicate_container,  // a snapshot lists a living container twice
  bad_interface,        // a network interface with an impossible name, or listed twice
  out_of_range,         // a value that no guest can have
  from_future,          // the guest's clock went faster than the host's
  flood,                // more bytes or events than a guest-probe ever sends
  bad_block_device,     // a block device with an impossible number, or listed twice, in a container or in all
  cpu_claim,            // reports more CPU time than the host gave its vCPUs
  costly,               // its messages take host-probe more CPU time than a guest-probe's do
  refused,              // refuses a request, and says why
  late,                 // had not answered when the report was made; its answer is in the next one
  memory_claim,         // reports more memory than its VMM has mapped, or its containers more than its kernel has
  bad_volume,           // a volume with an impossible name, or listed twice
};

inline constexpr std::size_t drop_reasons = 23;

/// The value of the `reason` label.
constexpr std::string_view name(DropReason reason) {
  constexpr std::array<std::string_view, drop_reasons> names{"absent",        "closed",           "unreachable",
                                                             "silent",        "handshake",        "malformed",
                                                             "truncated",     "unexpected",       "protocol_version",
                                                             "stalled",       "counter_fell",     "duplicate_container",
                                                             "bad_interface", "out_of_range",     "from_future",
                                                             "flood",         "bad_block_device", "cpu_claim",
                                                             "costly",        "refused",          "late",
                                                             "memory_claim",  "bad_volume"};
  return names[static_cast<std::size_t>(reason)];
}

/// False for what happens to every sandbox in its life.
constexpr bool is_fault(DropReason reason) {
  return reason != DropReason::absent && reason != DropReason::closed;
}

/// True for a step that an honest guest takes when it is restored to an earlier state, or when its clock leaps: the
/// snapshot is rejected, the next one is compared with it. Only a guest that steps often is suspect.
constexpr bool is_step(DropReason reason) {
  return reason == DropReason::counter_fell || reason == DropReason::from_future;
}

/// True if an honest guest never causes this reason. The others also happen to a guest that boots, is paused, is short
/// of CPU, was restored or was not upgraded.
constexpr bool is_suspect(DropReason reason) {
  return is_fault(reason) && !is_step(reason) && reason != DropReason::unreachable && reason != DropReason::silent &&
         reason != DropReason::truncated && reason != DropReason::protocol_version && reason != DropReason::refused &&
         reason != DropReason::late;
}

struct Drop {
  DropReason reason = DropReason::closed;
  std::string text;  // for the log: what the guest did
};

}  // namespace katameter::host
