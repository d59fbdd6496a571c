#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

#include "guest-probe/server/listen_address.h"
#include "guest-probe/server/session.h"
#include "tests/support/temporary_directory.h"
#include "userspace/wire/frame.h"

using namespace katameter;
using namespace katameter::guest;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

sockaddr_storage vsock(unsigned cid) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = 1023;
  sockaddr_storage storage{};
  std::memcpy(&storage, &address, sizeof(address));
  return storage;
}

const PeerState::Time start = PeerState::Time() + std::chrono::hours(1);

PeerState peer(PeerKind kind, PeerState::Time at = start) {
  PeerState peer;
  peer.kind = kind;
  peer.has_hello = true;
  peer.heard = peer.asked = at;
  return peer;
}

// Has been sent a snapshot and says that it has it.
void take(PeerState& peer, std::uint64_t snapshot, PeerState::Time at = start) {
  peer.heard = peer.asked = at;
  peer.snapshot_sent(snapshot);
  peer.acknowledge({0, snapshot});
}

std::uint64_t acknowledged_snapshot(const std::vector<const PeerState*>& peers, PeerState::Time now = start) {
  return acknowledged_by(peers, std::nullopt, now).snapshots;
}

EventLoop make_loop() {
  Result<EventLoop> loop = EventLoop::create();
  REQUIRE(loop);
  return *std::move(loop);
}

// A session on one end of a socket pair; the test is the peer on the other.
struct Connected {
  Connected() : loop(make_loop()) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    mine = Fd(ends[0]);
    session.emplace(
        loop, Peer{Fd(ends[1]), PeerKind::local},
        [this](Session& from, const wire::HostMessage& message) -> Status {
          ++messages;
          if (const auto* collect = std::get_if<wire::Collect>(&message)) {
            wire::Snapshot snapshot;
            snapshot.request = collect->request;
            return from.send(snapshot);
          }
          return {};
        },
        [this](Session&) {
          ended = true;
          loop.stop();
        });
    REQUIRE(session->start());
  }

  void write_bytes(std::string_view bytes) const {
    REQUIRE(write(mine.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void close_and_run() {
    shutdown(mine.get(), SHUT_WR);
    REQUIRE(loop.run());
  }
  std::string read_all() const {
    std::string all;
    std::array<char, 65536> bytes{};
    for (ssize_t size; (size = read(mine.get(), bytes.data(), bytes.size())) > 0;) {
      all.append(bytes.data(), static_cast<std::size_t>(size));
    }
    return all;
  }
  std::vector<wire::GuestMessage> answers() const {
    std::vector<wire::GuestMessage> answers;
    wire::FrameReader reader;
    reader.append(read_all());
    while (true) {
      const auto payload = reader.next();
      REQUIRE(payload);
      if (!*payload) return answers;
      const auto message = wire::decode_guest_message(**payload);
      REQUIRE(message);
      answers.push_back(*message);
    }
  }

  EventLoop loop;
  Fd mine;
  std::optional<Session> session;
  int messages = 0;
  bool ended = false;
};

std::string framed(const wire::HostMessage& message) {
  return wire::frame(wire::encode(message));
}

}  // namespace

TEST_CASE("Of all that can connect over vsock the host alone is served") {
  REQUIRE(kind_of_peer(vsock(VMADDR_CID_HOST)));
  CHECK(*kind_of_peer(vsock(VMADDR_CID_HOST)) == PeerKind::host);
  // The loopback, the guest's own CID, a guest inside this one.
  for (const unsigned cid : std::vector<unsigned>{VMADDR_CID_HYPERVISOR, VMADDR_CID_LOCAL, 3, 4242, VMADDR_CID_ANY}) {
    const auto kind = kind_of_peer(vsock(cid));
    REQUIRE_FALSE(kind);
    CHECK(kind.error().text.find(std::to_string(cid)) != std::string::npos);
  }
  sockaddr_storage other{};
  other.ss_family = AF_INET;
  CHECK_FALSE(kind_of_peer(other));
}

TEST_CASE("Who connects to the Unix socket is local") {
  const katameter::testing::TemporaryDirectory dir;
  const auto address = ListenAddress::parse("unix:" + (dir.path() / "probe.sock").string());
  REQUIRE(address);
  const auto listening = listen_on(*address);
  REQUIRE(listening);
  CHECK_FALSE(accept_peer(*listening));
  const auto mine = connect_to(address->path, 1);
  REQUIRE(mine);
  const auto peer = accept_peer(*listening);
  REQUIRE(peer);
  CHECK(peer->kind == PeerKind::local);
  CHECK(peer->socket);
}

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
  CHECK(acknowledged_snapshot({&one}) == 3);
  CHECK(acknowledged_snapshot({&one, &two}) == 0);  // it has sent Hello and asks next
  take(two, 4);
  CHECK(acknowledged_snapshot({&one, &two}) == 3);
}

TEST_CASE("A host that does not ask any more delays no acknowledgement") {
  PeerState one = peer(PeerKind::host);
  take(one, 3);
  PeerState two = peer(PeerKind::host);
  take(two, 9, start + max_idle);
  CHECK(acknowledged_snapshot({&one, &two}, start + max_idle) == 3);
  take(two, 10, start + max_idle + seconds(1));
  CHECK(acknowledged_snapshot({&one, &two}, start + max_idle + seconds(1)) == 10);
}

TEST_CASE("What runs in the guest acknowledges nothing while a host is there, or was a short while ago") {
  PeerState host = peer(PeerKind::host);
  PeerState local = peer(PeerKind::local);
  take(local, 8);
  local.event_sent = 2;
  local.acknowledge({2, 0});
  CHECK(acknowledged_snapshot({&local, &host}) == 0);
  CHECK(acknowledged_by({&local, &host}, std::nullopt, start).events == 0);
  CHECK(acknowledged_by({&local}, start - max_idle, start).snapshots == 0);
  CHECK(acknowledged_by({&local}, start - max_idle - seconds(1), start).snapshots == 8);
  CHECK(acknowledged_by({&local}, std::nullopt, start).events == 2);
  host.has_hello = false;
  CHECK(acknowledged_snapshot({&local, &host}) == 8);
}

TEST_CASE("Of two in the guest both have to have it; who only looks has no say") {
  PeerState first = peer(PeerKind::local);
  take(first, 1);
  PeerState second = peer(PeerKind::local);
  take(second, 2);
  PeerState looks = peer(PeerKind::local);
  looks.snapshot_sent(3);
  CHECK(acknowledged_snapshot({&first, &second, &looks}) == 1);
  CHECK(acknowledged_snapshot({}) == 0);
}

TEST_CASE("Who acknowledges one thing has a say in the other") {
  PeerState first = peer(PeerKind::local);
  take(first, 1);
  PeerState second = peer(PeerKind::local);
  first.event_sent = second.event_sent = 3;
  second.acknowledge({3, 0});
  CHECK(acknowledged_by({&first, &second}, std::nullopt, start).events == 0);
  first.acknowledge({2, 0});
  CHECK(acknowledged_by({&first, &second}, std::nullopt, start).events == 2);
}

TEST_CASE("OOM events are acknowledged by hosts that were heard, whether they ask or not") {
  PeerState host = peer(PeerKind::host);
  host.heard = start + minutes(30);
  host.event_sent = 4;
  host.acknowledge({4, 0});
  CHECK(acknowledged_by({&host}, std::nullopt, start + minutes(31)).events == 4);
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
  other.has_hello = false;
  CHECK_FALSE(is_gone(idle, {&idle, &local, &other}, now, now));
}

TEST_CASE("Messages in one write are answered in order") {
  Connected peer;
  peer.write_bytes(framed(wire::Collect{1}) + framed(wire::Collect{2}));
  peer.close_and_run();
  CHECK(peer.messages == 2);
  const std::vector<wire::GuestMessage> answers = peer.answers();
  REQUIRE(answers.size() == 2);
  CHECK(std::get<wire::Snapshot>(answers[0]).request == 1);
  CHECK(std::get<wire::Snapshot>(answers[1]).request == 2);
}

TEST_CASE("A peer that sends garbage or too much gets the reason and is disconnected; half a frame is not a message") {
  const std::vector<std::string> wrong{"GET / HTTP/1.1\r\n\r\n", std::string("\x7f\xff\xff\xff", 4),
                                       wire::frame("no protobuf \xff\xff\xff"), std::string("\x00\x01\x00\x01", 4)};
  for (const std::string& bytes : wrong) {
    Connected peer;
    peer.write_bytes(bytes);
    peer.close_and_run();
    CHECK(peer.ended);
    CHECK(peer.messages == 0);
    const std::vector<wire::GuestMessage> answers = peer.answers();
    REQUIRE(answers.size() == 1);
    CHECK_FALSE(std::get<wire::Refusal>(answers[0]).reason.empty());
  }
  Connected peer;
  peer.write_bytes(framed(wire::Collect{1}).substr(0, 5));
  peer.close_and_run();
  CHECK(peer.ended);
  CHECK(peer.messages == 0);
  CHECK(peer.answers().empty());
}

TEST_CASE("A peer that sends messages without end gets the reason and is disconnected") {
  Connected peer;
  std::string many;
  for (int i = 0; i < 2000; ++i) many += framed(wire::Acknowledge{});
  peer.write_bytes(many);
  REQUIRE(peer.loop.run());
  CHECK(peer.ended);
  CHECK(peer.messages >= 1000);
  CHECK(peer.messages < 1500);
  const std::vector<wire::GuestMessage> answers = peer.answers();
  REQUIRE(answers.size() == 1);
  CHECK(std::get<wire::Refusal>(answers[0]).reason.find("100 a second") != std::string::npos);
}

TEST_CASE("Since when a peer has not read is known") {
  Connected peer;
  const auto now = PeerState::Time::clock::now() + std::chrono::minutes(1);
  CHECK(peer.session->unread_since(now) == now);
  wire::OomEvent event;
  event.cgroup = std::string(4000, 'x');
  while (!peer.session->has_unsent()) REQUIRE(peer.session->send(event));
  CHECK(peer.session->unread_since(now) < now);
}

TEST_CASE("A peer that never reads is given up, without blocking") {
  Connected peer;
  wire::OomEvent event;
  event.cgroup = std::string(4000, 'x');
  Status status;
  int sent = 0;
  while (status && sent < 100'000) {
    status = peer.session->send(event);
    ++sent;
  }
  REQUIRE_FALSE(status);
  CHECK(status.error().text == "it does not read what it is sent");
}
