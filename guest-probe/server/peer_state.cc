#include "guest-probe/server/peer_state.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace katameter::guest {
namespace {

using Time = PeerState::Time;

bool is_host(const PeerState& peer) {
  return peer.kind == PeerKind::host && peer.greeted;
}

bool acknowledges(const PeerState& peer) {
  return peer.greeted && (peer.event_acknowledged != 0 || peer.snapshot_acknowledged != 0);
}

// The least that those have acknowledged who count; 0 if nobody does.
std::uint64_t least(const std::vector<const PeerState*>& peers, bool hosts, std::uint64_t PeerState::*acknowledged,
                    Time PeerState::*last, Time now) {
  std::optional<std::uint64_t> least;
  for (const PeerState* peer : peers) {
    const std::uint64_t sequence = peer->*acknowledged;
    const bool counts = hosts ? is_host(*peer) : acknowledges(*peer);
    if (!counts || now - peer->*last > settles_for) continue;
    least = std::min(least.value_or(sequence), sequence);
  }
  return least.value_or(0);
}

}  // namespace

void PeerState::snapshot_sent(std::uint64_t sequence) {
  snapshot_before_ = std::exchange(snapshot_sent_, sequence);
}

void PeerState::acknowledge(const wire::Acknowledge& acknowledge) {
  event_acknowledged = std::max(event_acknowledged, std::min(acknowledge.event_sequence, event_sent));
  for (const std::uint64_t sent : {snapshot_before_, snapshot_sent_}) {
    if (sent <= acknowledge.snapshot_sequence) snapshot_acknowledged = std::max(snapshot_acknowledged, sent);
  }
}

Settled settled_by(const std::vector<const PeerState*>& peers, std::optional<Time> host_heard, Time now) {
  const bool hosts = (host_heard && now - *host_heard <= settles_for) ||
                     std::any_of(peers.begin(), peers.end(), [](const auto* peer) { return is_host(*peer); });
  return {least(peers, hosts, &PeerState::event_acknowledged, &PeerState::heard, now),
          least(peers, hosts, &PeerState::snapshot_acknowledged, &PeerState::asked, now)};
}

bool is_gone(const PeerState& peer, const std::vector<const PeerState*>& peers, Time unread_since, Time now) {
  if (now - unread_since > max_unread) return true;
  if (now - peer.heard <= max_silence) return false;
  if (!is_host(peer)) return true;
  return std::any_of(peers.begin(), peers.end(),
                     [&](const auto* other) { return is_host(*other) && other->heard > peer.heard; });
}

}  // namespace katameter::guest
