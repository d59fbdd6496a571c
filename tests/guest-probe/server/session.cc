#include "guest-probe/server/session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <optional>

#include "userspace/wire/frame.h"

using namespace katameter;

namespace {

EventLoop make_loop() {
  Result<EventLoop> loop = EventLoop::create();
  REQUIRE(loop);
  return *std::move(loop);
}

// A session on one end of a socket pair; the test is the peer on the other.
struct Peer {
  Peer() : loop(make_loop()) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    mine = Fd(ends[0]);
    session.emplace(
        loop, Fd(ends[1]),
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
  Peer peer;
  peer.write_bytes(framed(wire::Collect{1}) + framed(wire::Collect{2}));
  peer.close_and_run();
  CHECK(peer.messages == 2);
  wire::FrameReader reader;
  reader.append(peer.read_all());
  for (const std::uint64_t request : {1u, 2u}) {
    const auto payload = reader.next();
    REQUIRE((payload && *payload));
    const auto message = wire::decode_guest_message(**payload);
    REQUIRE(message);
    CHECK(std::get<wire::Snapshot>(*message).request == request);
  }
}

TEST_CASE("A peer that sends nonsense, too much or half a frame is disconnected") {
  std::vector<std::string> wrong{"GET / HTTP/1.1\r\n\r\n"};
  wrong.push_back(std::string("\x7f\xff\xff\xff", 4));
  wrong.push_back(wire::frame("no protobuf \xff\xff\xff"));
  wrong.push_back(framed(wire::Collect{1}).substr(0, 5));
  for (const std::string& bytes : wrong) {
    Peer peer;
    peer.write_bytes(bytes);
    peer.close_and_run();
    CHECK(peer.ended);
    CHECK(peer.messages == 0);
    CHECK(peer.read_all().empty());
  }
}

TEST_CASE("A peer that never reads is given up, without blocking") {
  Peer peer;
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
