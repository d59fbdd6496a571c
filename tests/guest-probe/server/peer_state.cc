#include "guest-probe/server/peer_state.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace katameter;
using namespace katameter::guest;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

const PeerState::Time start = PeerState::Time() + std::chrono::hours(1);

PeerState peer(PeerKind kind, PeerState::Time at = start) {
  PeerState peer;
  peer.kind = kind;
  peer.greeted = true;
  peer.heard = peer.asked = at;
  return peer;
}

// Has been sent a snapshot and says that it has it.
void take(PeerState& peer, std::uint64_t snapshot, PeerState::Time at = start) {
  peer.heard = peer.asked = at;
  peer.snapshot_sent(snapshot);
  peer.acknowledge({0, snapshot});
}

std::uint64_t settled_snapshot(const std::vector<const PeerState*>& peers, PeerState::Time now = start) {
  return settled_by(peers, std::nullopt, now).snapshots;
}

}  // namespace

TEST_CASE("A peer acknowledges what it was sent, and nothing else") {
  PeerState peer;
  peer.acknowledge({UINT64_MAX, UINT64_MAX});
  CHECK(peer.event_acknowledged == 0);
  CHECK(peer.snapshot_acknowledged == 0);
  peer.event_sent = 7;
  peer.snapshot_sent(5);
  peer.acknowledge({6, 4});
  CHECK(peer.event_acknowledged == 6);
  CHECK(peer.snapshot_acknowledged == 0);
  peer.acknowledge({UINT64_MAX, UINT64_MAX});
  CHECK(peer.event_acknowledged == 7);
  CHECK(peer.snapshot_acknowledged == 5);
  // 6 to 8 went to another one.
  peer.snapshot_sent(9);
  peer.acknowledge({0, 8});
  CHECK(peer.event_acknowledged == 7);
  CHECK(peer.snapshot_acknowledged == 5);
  peer.acknowledge({0, 9});
  CHECK(peer.snapshot_acknowledged == 9);
}

TEST_CASE("An ended container is kept until every host that asks has it") {
  PeerState one = peer(PeerKind::host);
  PeerState two = peer(PeerKind::host);
  take(one, 3);
  CHECK(settled_snapshot({&one}) == 3);
  CHECK(settled_snapshot({&one, &two}) == 0);  // it has said Hello and asks next
  take(two, 4);
  CHECK(settled_snapshot({&one, &two}) == 3);
}

TEST_CASE("A host that does not ask any more keeps nothing from being settled") {
  PeerState one = peer(PeerKind::host);
  take(one, 3);
  PeerState two = peer(PeerKind::host);
  take(two, 9, start + settles_for);
  CHECK(settled_snapshot({&one, &two}, start + settles_for) == 3);
  take(two, 10, start + settles_for + seconds(1));
  CHECK(settled_snapshot({&one, &two}, start + settles_for + seconds(1)) == 10);
}

TEST_CASE("What runs in the guest settles nothing while a host is there, or was a short while ago") {
  PeerState host = peer(PeerKind::host);
  PeerState local = peer(PeerKind::local);
  take(local, 8);
  local.event_sent = 2;
  local.acknowledge({2, 0});
  CHECK(settled_snapshot({&local, &host}) == 0);
  CHECK(settled_by({&local, &host}, std::nullopt, start).events == 0);
  CHECK(settled_by({&local}, start - settles_for, start).snapshots == 0);
  CHECK(settled_by({&local}, start - settles_for - seconds(1), start).snapshots == 8);
  CHECK(settled_by({&local}, std::nullopt, start).events == 2);
  host.greeted = false;
  CHECK(settled_snapshot({&local, &host}) == 8);
}

TEST_CASE("Of two in the guest both have to have it; who only looks has no say") {
  PeerState first = peer(PeerKind::local);
  take(first, 1);
  PeerState second = peer(PeerKind::local);
  take(second, 2);
  PeerState looks = peer(PeerKind::local);
  looks.snapshot_sent(3);
  CHECK(settled_snapshot({&first, &second, &looks}) == 1);
  CHECK(settled_snapshot({}) == 0);
}

TEST_CASE("Who acknowledges one thing has a say in the other") {
  PeerState first = peer(PeerKind::local);
  take(first, 1);
  PeerState second = peer(PeerKind::local);
  first.event_sent = second.event_sent = 3;
  second.acknowledge({3, 0});
  CHECK(settled_by({&first, &second}, std::nullopt, start).events == 0);
  first.acknowledge({2, 0});
  CHECK(settled_by({&first, &second}, std::nullopt, start).events == 2);
}

TEST_CASE("OOM events are settled by hosts that were heard, whether they ask or not") {
  PeerState host = peer(PeerKind::host);
  host.heard = start + minutes(30);
  host.event_sent = 4;
  host.acknowledge({4, 0});
  CHECK(settled_by({&host}, std::nullopt, start + minutes(31)).events == 4);
}

TEST_CASE("A peer is gone that is silent for a quarter of an hour, or reads nothing for a minute") {
  const PeerState silent = peer(PeerKind::local);
  const auto later = start + max_silence;
  CHECK_FALSE(is_gone(silent, {&silent}, later, later));
  CHECK(is_gone(silent, {&silent}, later + seconds(1), later + seconds(1)));
  CHECK_FALSE(is_gone(silent, {&silent}, start, start + max_unread));
  CHECK(is_gone(silent, {&silent}, start, start + max_unread + seconds(1)));
}

TEST_CASE("A host that waits for OOM events is not gone, unless another host was heard since") {
  const PeerState idle = peer(PeerKind::host);
  const PeerState local = peer(PeerKind::local, start + minutes(60));
  const auto now = start + minutes(60);
  CHECK_FALSE(is_gone(idle, {&idle, &local}, now, now));
  PeerState other = peer(PeerKind::host, start + minutes(59));
  CHECK(is_gone(idle, {&idle, &local, &other}, now, now));
  other.greeted = false;
  CHECK_FALSE(is_gone(idle, {&idle, &local, &other}, now, now));
}
