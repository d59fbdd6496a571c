#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "guest-probe/server/peer.h"
#include "userspace/wire/messages.h"

// What the server knows of its peers, and what follows from it. No socket, and no clock but the caller's.
namespace katameter::guest {

/// One peer. Sequences are 0 before there is one.
struct PeerState {
  using Time = std::chrono::steady_clock::time_point;

  PeerKind kind = PeerKind::local;
  bool greeted = false;          ///< it has said Hello; before that it gets nothing unasked
  Time heard;                    ///< when it connected or sent its last message
  Time asked;                    ///< when it said Hello or sent its last Collect
  std::uint64_t event_sent = 0;  ///< the last OOM event that it was sent; it was sent those before, too
  std::uint64_t event_acknowledged = 0;
  std::uint64_t snapshot_acknowledged = 0;

  void snapshot_sent(std::uint64_t sequence);
  /// What was not sent to this peer it cannot have, and does not acknowledge.
  void acknowledge(const wire::Acknowledge& acknowledge);

 private:
  // The last two; those between them went to other peers.
  std::uint64_t snapshot_sent_ = 0;
  std::uint64_t snapshot_before_ = 0;
};

/// A host that has asked for nothing for so long has no say in what the others are done with.
inline constexpr std::chrono::minutes settles_for{5};
/// A peer that was silent for so long counts as gone, as does one that has left what it was sent unread for a minute.
inline constexpr std::chrono::minutes max_silence{15};
inline constexpr std::chrono::minutes max_unread{1};

/// Up to which sequence everybody who counts has all.
struct Settled {
  std::uint64_t events = 0;
  std::uint64_t snapshots = 0;
};

/// While a host is connected, or was heard within settles_for (`host_heard`), the hosts count: for snapshots those that
/// have asked within settles_for, for events those that were heard within it. Else those local peers count that have
/// acknowledged something, under the same bounds: one that only looks settles nothing and keeps nobody from it.
Settled settled_by(const std::vector<const PeerState*>& peers, std::optional<PeerState::Time> host_heard,
                   PeerState::Time now);

/// Whether a peer is to be taken for gone. `unread_since`: since when it has taken nothing of what waits for it; now, if
/// nothing does. The host that was heard last may be silent for as long as it likes: it waits for OOM events.
bool is_gone(const PeerState& peer, const std::vector<const PeerState*>& peers, PeerState::Time unread_since,
             PeerState::Time now);

}  // namespace katameter::guest
