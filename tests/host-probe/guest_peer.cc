#include "host-probe/transport/guest_peer.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/host-probe/support/fake_guest.h"
#include "tests/host-probe/support/loop.h"
#include "tests/support/temporary_directory.h"
#include "userspace/wire/codec.h"

using namespace katameter;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

struct Heard : GuestObserver {
  void guest_connected(const wire::Hello& hello) override { hellos.push_back(hello); }
  std::optional<Drop> guest_snapshot(const wire::Snapshot& snapshot) override {
    snapshots.push_back(snapshot);
    return verdict;
  }
  void guest_oom_event(const wire::OomEvent& event) override { events.push_back(event); }
  void guest_refused(const Drop& drop, bool answer) override {
    refused.push_back(drop.text);
    if (answer) ++unanswered;
  }
  void guest_dropped(const Drop& drop) override { drops.push_back(drop); }

  std::vector<wire::Hello> hellos;
  std::vector<wire::Snapshot> snapshots;
  std::vector<wire::OomEvent> events;
  std::vector<std::string> refused;
  int unanswered = 0;
  std::vector<Drop> drops;
  std::optional<Drop> verdict;
};

// A peer at a fake guest, with deadlines and waits short enough for a test.
struct Fixture {
  explicit Fixture(const std::string& below = "vm") {
    directory = temporary.path() / below;
    std::filesystem::create_directories(directory);
    guest = std::make_unique<FakeGuest>(loop, directory / "clh.sock");
    guest->snapshot = [this](std::uint64_t request) { return wire::Snapshot{request, ++sequence, 1, {}, {}, {}}; };
  }
  void start() {
    peer = std::make_unique<GuestPeer>(loop.events(), loop.timers(), GuestAddress{directory.string(), "clh.sock", port},
                                       heard, timing);
    peer->start();
  }
  DropReason first_drop() {
    REQUIRE(loop.until([&] { return !heard.drops.empty(); }));
    return heard.drops.front().reason;
  }
  void connect() {
    start();
    REQUIRE(loop.until([&] { return peer->connected(); }));
  }

  TemporaryDirectory temporary;
  std::filesystem::path directory;
  Loop loop;
  Heard heard;
  GuestTiming timing{1000ms, 1000ms, 5ms, 10ms, 5ms, 10ms, 60'000ms};
  std::uint32_t port = wire::default_port;
  std::uint64_t sequence = 0;
  std::unique_ptr<FakeGuest> guest;
  std::unique_ptr<GuestPeer> peer;
};

// More of a message than the budget for events has.
std::string many(const wire::GuestMessage& message) {
  std::string frames;
  for (int i = 0; i < 1100; ++i) frames += wire::frame(wire::encode(message));
  return frames;
}

}  // namespace

TEST_CASE("a good guest: one write of CONNECT, Hello, Collect, Acknowledge, over one connection") {
  Fixture test;
  test.connect();
  CHECK(test.guest->connect_lines == std::vector<std::string>{"CONNECT 1717\n"});
  REQUIRE(test.guest->received<wire::Hello>().size() == 1);
  CHECK(test.guest->received<wire::Hello>()[0].protocol == wire::protocol_version);
  CHECK(test.heard.hellos.at(0).boot_id == "boot-1");

  for (std::uint64_t round = 1; round <= 3; ++round) {
    CHECK(test.peer->collect());
    REQUIRE(test.loop.until([&] { return test.guest->received<wire::Acknowledge>().size() == round; }));
    CHECK(test.guest->received<wire::Acknowledge>().back().snapshot_sequence == round);
  }
  CHECK(test.heard.snapshots.size() == 3);
  CHECK(test.guest->connections == 1);
  CHECK(test.heard.drops.empty());
}

TEST_CASE("a guest that sends one byte at a time is understood") {
  Fixture test;
  test.guest->one_byte_at_a_time = true;
  test.connect();
  CHECK(test.peer->collect());
  CHECK(test.loop.until([&] { return test.heard.snapshots.size() == 1; }));
  CHECK(test.heard.drops.empty());
}

TEST_CASE("the VMM closes without a word: no guest-probe there, which is looked for again") {
  Fixture test;
  test.guest->closes_at_connect = true;
  test.start();
  CHECK(test.first_drop() == DropReason::absent);
  CHECK_FALSE(test.peer->collect());
  test.guest->closes_at_connect = false;
  CHECK(test.loop.until([&] { return test.peer->connected(); }));
}

TEST_CASE("nobody listens on the socket: absent, and found when it comes") {
  Fixture test;
  test.guest.reset();
  test.start();
  CHECK(test.first_drop() == DropReason::absent);
  test.guest = std::make_unique<FakeGuest>(test.loop, test.directory / "clh.sock");
  CHECK(test.loop.until([&] { return test.peer->connected(); }));
}

TEST_CASE("a socket that cannot be connected to for another reason is no absent guest") {
  Fixture test;
  test.guest.reset();
  // A datagram socket of the same name: EPROTOTYPE, which root meets too.
  const Fd other(::socket(AF_UNIX, SOCK_DGRAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (test.directory / "clh.sock").c_str(), sizeof address.sun_path - 1);
  REQUIRE(bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  test.start();
  CHECK(test.first_drop() == DropReason::unreachable);
}

TEST_CASE("a VMM that answers nothing is given up at the deadline, not before") {
  Fixture test;
  test.guest->connect_answer = "";
  test.timing.connect_deadline = 40ms;
  test.start();
  test.loop.pass(20ms);
  CHECK(test.heard.drops.empty());
  CHECK(test.first_drop() == DropReason::silent);
}

TEST_CASE("a guest that does not introduce itself is given up at the deadline") {
  Fixture test;
  test.guest->hello.reset();
  test.timing.connect_deadline = 20ms;
  test.start();
  CHECK(test.first_drop() == DropReason::silent);
}

TEST_CASE("what is no OK line is refused, however long it is") {
  Fixture test;
  test.guest->connect_answer = GENERATE(as<std::string>(), "HTTP/1.1 400 Bad Request\r\n", std::string(5000, 'O'));
  test.start();
  CHECK(test.first_drop() == DropReason::handshake);
}

TEST_CASE("a VMM that closes in the middle of its answer has not said that nobody listens") {
  Fixture test;
  test.guest->connect_answer = "OK 10";
  test.guest->closes_after_answer = true;
  test.start();
  CHECK(test.first_drop() == DropReason::handshake);
}

TEST_CASE("bytes that are no frame end the connection") {
  Fixture test;
  const std::string after_ok = GENERATE(as<std::string>(), std::string("\xff\xff\xff\xff", 4), std::string(4, '\0'),
                                        std::string("\0\0\0\3abc", 7));
  test.guest->connect_answer += after_ok;
  test.start();
  CHECK(test.first_drop() == DropReason::malformed);
}

TEST_CASE("closed in mid-frame and closed between frames are told apart") {
  Fixture test;
  test.connect();
  SECTION("mid-frame") {
    test.guest->send_bytes(std::string("\0\0\1\0half", 8));
    test.guest->close();
    CHECK(test.first_drop() == DropReason::truncated);
  }
  SECTION("between frames") {
    test.guest->close();
    CHECK(test.first_drop() == DropReason::closed);
  }
  CHECK(test.loop.until([&] { return test.guest->connections == 2 && test.peer->connected(); }));
}

TEST_CASE("another version of the protocol: said once, then left alone for long") {
  Fixture test;
  test.guest->hello->protocol = 7;
  test.start();
  CHECK(test.first_drop() == DropReason::protocol_version);
  CHECK_THAT(test.heard.drops[0].text, Catch::Contains("protocol 7") && Catch::Contains("same release"));
  test.loop.pass(40ms);
  CHECK(test.guest->connections == 1);
}

TEST_CASE("messages out of place end the connection") {
  Fixture test;
  SECTION("a snapshot before the Hello") {
    test.guest->hello.reset();
    test.guest->connect_answer = "OK 1\n";
    test.start();
    REQUIRE(test.loop.until([&] { return test.guest->received<wire::Hello>().size() == 1; }));
    test.guest->send(wire::Snapshot{1, 1, 1, {}, {}, {}});
  }
  SECTION("a second Hello") {
    test.connect();
    test.guest->send(wire::Hello{});
  }
  SECTION("a snapshot that nobody asked for") {
    test.connect();
    test.guest->send(wire::Snapshot{1, 1, 1, {}, {}, {}});
  }
  SECTION("the answer to another request") {
    test.guest->snapshot = [](std::uint64_t request) { return wire::Snapshot{request + 1, 1, 1, {}, {}, {}}; };
    test.connect();
    CHECK(test.peer->collect());
  }
  const DropReason reason = test.first_drop();
  INFO(test.heard.drops.at(0).text);
  CHECK(reason == DropReason::unexpected);
}

TEST_CASE("a guest is not asked again before it has answered") {
  Fixture test;
  test.guest->snapshot = nullptr;
  test.connect();
  CHECK(test.peer->collect());
  CHECK(test.peer->collect());
  test.loop.pass(10ms);
  CHECK(test.guest->received<wire::Collect>().size() == 1);
}

TEST_CASE("a guest that never answers is given up at the deadline") {
  Fixture test;
  test.guest->snapshot = nullptr;
  test.timing.answer_deadline = 20ms;
  test.connect();
  CHECK(test.peer->collect());
  CHECK(test.first_drop() == DropReason::silent);
}

TEST_CASE("a guest that refuses is asked again over the same connection") {
  Fixture test;
  test.guest->snapshot = nullptr;
  test.connect();
  CHECK(test.peer->collect());
  REQUIRE(test.loop.until([&] { return test.guest->received<wire::Collect>().size() == 1; }));
  // About something else, then about the Collect.
  test.guest->send(wire::Refusal{0, "message 9 is not known"});
  test.guest->send(wire::Refusal{test.guest->received<wire::Collect>()[0].request, "asked too often"});
  REQUIRE(test.loop.until([&] { return test.heard.refused.size() == 2; }));
  CHECK(test.heard.refused == std::vector<std::string>{"message 9 is not known", "asked too often"});
  CHECK(test.heard.unanswered == 1);
  CHECK(test.peer->connected());
  CHECK(test.peer->collect());
  REQUIRE(test.loop.until([&] { return test.guest->received<wire::Collect>().size() == 2; }));
  CHECK(test.heard.drops.empty());
  CHECK(test.guest->connections == 1);
}

TEST_CASE("messages of a newer guest-probe are skipped, but not without end") {
  Fixture test;
  test.connect();
  test.guest->send(wire::Unknown{15});
  CHECK(test.peer->collect());
  REQUIRE(test.loop.until([&] { return test.heard.snapshots.size() == 1; }));
  CHECK(test.heard.drops.empty());
  test.guest->send_bytes(many(wire::Unknown{15}));
  CHECK(test.first_drop() == DropReason::flood);
}

TEST_CASE("a guest that refuses without end is let go") {
  Fixture test;
  test.connect();
  test.guest->send_bytes(many(wire::Refusal{0, "no"}));
  CHECK(test.first_drop() == DropReason::flood);
}

TEST_CASE("guest-probe's port is what was configured") {
  Fixture test;
  test.port = 1000;
  test.connect();
  CHECK(test.guest->connect_lines == std::vector<std::string>{"CONNECT 1000\n"});
}

TEST_CASE("a snapshot that is not believed is not acknowledged, and the connection stays") {
  Fixture test;
  test.heard.verdict = Drop{DropReason::counter_fell, ""};
  test.connect();
  CHECK(test.peer->collect());
  REQUIRE(test.loop.until([&] { return test.heard.snapshots.size() == 1; }));
  test.heard.verdict.reset();
  CHECK(test.peer->collect());
  REQUIRE(test.loop.until([&] { return !test.guest->received<wire::Acknowledge>().empty(); }));
  CHECK(test.guest->received<wire::Acknowledge>().front().snapshot_sequence == 2);
  CHECK(test.guest->connections == 1);
}

TEST_CASE("OOM events come unasked and are acknowledged up to the highest") {
  Fixture test;
  test.connect();
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    wire::OomEvent event;
    event.sequence = sequence;
    test.guest->send(event);
  }
  const auto acknowledged = [&] { return test.guest->received<wire::Acknowledge>(); };
  REQUIRE(test.loop.until([&] { return !acknowledged().empty() && acknowledged().back().event_sequence == 3; }));
  CHECK(test.heard.events.size() == 3);
  CHECK(acknowledged().back().snapshot_sequence == 0);
}

TEST_CASE("a new connection does not acknowledge what only an earlier one has brought") {
  Fixture test;
  wire::OomEvent event;
  event.sequence = 57;
  test.connect();
  test.guest->send(event);
  REQUIRE(test.loop.until([&] { return !test.guest->received<wire::Acknowledge>().empty(); }));
  test.guest->messages.clear();
  test.guest->close();
  REQUIRE(test.loop.until([&] { return test.guest->connections == 2 && test.peer->connected(); }));
  CHECK(test.peer->collect());
  REQUIRE(test.loop.until([&] { return !test.guest->received<wire::Acknowledge>().empty(); }));
  CHECK(test.guest->received<wire::Acknowledge>().back().event_sequence == 0);
}

TEST_CASE("a socket whose path is longer than an address holds is reached all the same") {
  Fixture test(std::string(100, 'd') + "/" + std::string(64, 'a'));
  REQUIRE((test.directory / "clh.sock").string().size() > 107);
  test.connect();
}

TEST_CASE("a guest whose messages take the host too long is let go, one within its budget is not") {
  Fixture test;
  test.timing.budget.work = Allowance(0.0, 0.0);
  test.start();
  CHECK(test.first_drop() == DropReason::costly);

  Fixture other;  // with the budget that guests have
  other.connect();
  for (std::uint64_t round = 1; round <= 200; ++round) {
    CHECK(other.peer->collect());
    REQUIRE(other.loop.until([&] { return other.heard.snapshots.size() == round; }));
  }
  CHECK(other.heard.drops.empty());
}
