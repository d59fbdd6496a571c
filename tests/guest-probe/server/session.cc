#include "guest-probe/server/session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <vector>

#include "userspace/wire/frame.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

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
