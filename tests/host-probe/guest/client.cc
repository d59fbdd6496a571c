#include "host-probe/guest/client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_guest.h"
#include "tests/support/loop.h"
#include "tests/support/temporary_directory.h"
#include "userspace/wire/codec.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

struct Received : GuestListener {
  void guest_connected(const wire::Hello& hello) override { hellos.push_back(hello); }
  bool guest_snapshot(const wire::Snapshot& snapshot, Time asked) override {
    snapshots.push_back(snapshot);
    answer_times.push_back(TimerQueue::Clock::now() - asked);
    return accepts;
  }
  void guest_oom_event(const wire::OomEvent& event) override { events.push_back(event); }
  void guest_refused(const Drop& drop, bool answer) override {
    refused.push_back(drop.text);
    if (answer) ++unanswered;
  }
  void guest_disconnected(const Drop& drop) override { drops.push_back(drop); }

  std::vector<wire::Hello> hellos;
  std::vector<wire::Snapshot> snapshots;
  std::vector<wire::OomEvent> events;
  std::vector<std::string> refused;
  int unanswered = 0;
  std::vector<Drop> drops;
  std::vector<TimerQueue::Clock::duration> answer_times;
  bool accepts = true;
};

// A client of a fake guest, with timeouts and waits short enough for a test.
struct ClientFixture {
  explicit ClientFixture(const std::string& below = "vm") {
    directory = temporary.path() / below;
    std::filesystem::create_directories(directory);
    guest = std::make_unique<FakeGuest>(loop, directory / "clh.sock");
    guest->snapshot = [this](std::uint64_t request) { return wire::Snapshot{request, ++sequence, 1, {}, {}, {}}; };
  }
  void start() {
    client = std::make_unique<GuestClient>(loop.events(), loop.timers(),
                                           GuestAddress{directory.string(), "clh.sock", port}, received, timing);
    client->start();
  }
  DropReason first_drop() {
    REQUIRE(loop.until([&] { return !received.drops.empty(); }));
    return received.drops.front().reason;
  }
  void connect() {
    start();
    REQUIRE(loop.until([&] { return client->connected(); }));
  }

  TemporaryDirectory temporary;
  std::filesystem::path directory;
  Loop loop;
  Received received;
  // Timeouts that a busy machine does not reach; tests of a timeout have one of their own.
  GuestTiming timing{60'000ms, 60'000ms, 5ms, 10ms, 5ms, 10ms, 60'000ms};
  std::uint32_t port = wire::default_port;
  std::uint64_t sequence = 0;
  std::unique_ptr<FakeGuest> guest;
  std::unique_ptr<GuestClient> client;
};

// More of a message than the limit on events allows.
std::string many(const wire::GuestMessage& message) {
  std::string frames;
  for (int i = 0; i < 1100; ++i) frames += wire::frame(wire::encode(message));
  return frames;
}

}  // namespace

TEST_CASE("a good guest: one write of CONNECT, Hello, Collect, Acknowledge, over one connection") {
  ClientFixture test;
  test.connect();
  CHECK(test.guest->connect_lines == std::vector<std::string>{"CONNECT 1717\n"});
  REQUIRE(test.guest->received<wire::Hello>().size() == 1);
  CHECK(test.guest->received<wire::Hello>()[0].protocol == wire::protocol_version);
  CHECK(test.received.hellos.at(0).boot_id == "boot-1");

  for (std::uint64_t round = 1; round <= 3; ++round) {
    CHECK(test.client->collect());
    REQUIRE(test.loop.until([&] { return test.guest->received<wire::Acknowledge>().size() == round; }));
    CHECK(test.guest->received<wire::Acknowledge>().back().snapshot_sequence == round);
  }
  CHECK(test.received.snapshots.size() == 3);
  CHECK(test.guest->connections == 1);
  CHECK(test.received.drops.empty());
}

TEST_CASE("a guest that sends one byte at a time is understood") {
  ClientFixture test;
  test.guest->one_byte_at_a_time = true;
  test.connect();
  CHECK(test.client->collect());
  CHECK(test.loop.until([&] { return test.received.snapshots.size() == 1; }));
  CHECK(test.received.drops.empty());
}

TEST_CASE("the VMM closes without an answer: guest-probe is absent, and is looked for again") {
  ClientFixture test;
  test.guest->closes_at_connect = true;
  test.start();
  CHECK(test.first_drop() == DropReason::absent);
  CHECK_FALSE(test.client->collect());
  test.guest->closes_at_connect = false;
  CHECK(test.loop.until([&] { return test.client->connected(); }));
}

TEST_CASE("a guest that says no for long is left alone, until something has started in it") {
  ClientFixture patient;
  patient.guest->closes_at_connect = true;
  patient.timing.search_time = 0ms;
  patient.timing.refusal_backoff_min = patient.timing.refusal_backoff_max = std::chrono::hours(1);
  patient.start();
  CHECK(patient.first_drop() == DropReason::absent);
  CHECK(patient.client->said_no());
  REQUIRE(patient.loop.until([&] { return patient.guest->connections == 1; }));
  // As often as another guest is tried in the same loop.
  FakeGuest searched(patient.loop, patient.directory / "other.sock");
  searched.closes_at_connect = true;
  Received dropped;
  GuestTiming timing = patient.timing;
  timing.search_time = std::chrono::hours(1);
  GuestClient searching(patient.loop.events(), patient.loop.timers(),
                        GuestAddress{patient.directory.string(), "other.sock", patient.port}, dropped, timing);
  searching.start();
  REQUIRE(patient.loop.until([&] { return dropped.drops.size() >= 10; }));
  CHECK(patient.guest->connections == 1);

  patient.guest->closes_at_connect = false;
  patient.client->look_again();
  REQUIRE(patient.loop.until([&] { return patient.client->connected(); }));
  CHECK_FALSE(patient.client->said_no());
}

TEST_CASE("a guest that boots, and one whose guest-probe ended, are searched for as if new") {
  ClientFixture test;
  test.timing.search_time = std::chrono::hours(1);
  test.timing.refusal_backoff_min = test.timing.refusal_backoff_max = std::chrono::hours(1);
  test.guest->closes_at_connect = true;
  test.start();
  REQUIRE(test.loop.until([&] { return test.received.drops.size() >= 3; }));
  test.guest->closes_at_connect = false;
  REQUIRE(test.loop.until([&] { return test.client->connected(); }));
  const std::size_t before = test.received.drops.size();
  test.guest->closes_at_connect = true;
  test.guest->close();
  REQUIRE(test.loop.until([&] { return test.received.drops.size() >= before + 3; }));
  CHECK(test.client->said_no());
  test.guest->closes_at_connect = false;
  CHECK(test.loop.until([&] { return test.client->connected(); }));
}

TEST_CASE("nothing listens on the socket: absent, and found when it comes") {
  ClientFixture test;
  test.guest.reset();
  test.start();
  CHECK(test.first_drop() == DropReason::absent);
  test.guest = std::make_unique<FakeGuest>(test.loop, test.directory / "clh.sock");
  CHECK(test.loop.until([&] { return test.client->connected(); }));
}

TEST_CASE("a socket that cannot be connected to for another reason is unreachable, not absent") {
  ClientFixture test;
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

TEST_CASE("a VMM that answers nothing is given up at the timeout, not before") {
  ClientFixture test;
  test.guest->connect_answer = "";
  test.timing.connect_timeout = 40ms;
  const auto began = TimerQueue::Clock::now();
  test.start();
  CHECK(test.first_drop() == DropReason::silent);
  CHECK(TimerQueue::Clock::now() - began >= 40ms);
}

TEST_CASE("a guest that does not introduce itself is given up at the timeout") {
  ClientFixture test;
  test.guest->hello.reset();
  test.timing.connect_timeout = 20ms;
  test.start();
  CHECK(test.first_drop() == DropReason::silent);
}

TEST_CASE("what is not an OK line is refused, however long it is") {
  ClientFixture test;
  test.guest->connect_answer = GENERATE(as<std::string>(), "HTTP/1.1 400 Bad Request\r\n", std::string(5000, 'O'));
  test.start();
  CHECK(test.first_drop() == DropReason::handshake);
}

TEST_CASE("a VMM that closes in the middle of its answer is a failed handshake, not an absent guest") {
  ClientFixture test;
  test.guest->connect_answer = "OK 10";
  test.guest->closes_after_answer = true;
  test.start();
  CHECK(test.first_drop() == DropReason::handshake);
}

TEST_CASE("bytes that are not a frame end the connection") {
  ClientFixture test;
  const std::string after_ok = GENERATE(as<std::string>(), std::string("\xff\xff\xff\xff", 4), std::string(4, '\0'),
                                        std::string("\0\0\0\3abc", 7));
  test.guest->connect_answer += after_ok;
  test.start();
  CHECK(test.first_drop() == DropReason::malformed);
}

TEST_CASE("closed in mid-frame and closed between frames are two reasons") {
  ClientFixture test;
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
  CHECK(test.loop.until([&] { return test.guest->connections == 2 && test.client->connected(); }));
}

TEST_CASE("another version of the protocol: reported once, then not tried for long") {
  ClientFixture test;
  test.guest->hello->protocol = 7;
  test.start();
  CHECK(test.first_drop() == DropReason::protocol_version);
  CHECK_THAT(test.received.drops[0].text, Catch::Contains("protocol 7") && Catch::Contains("same release"));
  test.loop.pass(40ms);
  CHECK(test.guest->connections == 1);
}

TEST_CASE("messages out of place end the connection") {
  ClientFixture test;
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
  SECTION("a snapshot that was not asked for") {
    test.connect();
    test.guest->send(wire::Snapshot{1, 1, 1, {}, {}, {}});
  }
  SECTION("the answer to another request") {
    test.guest->snapshot = [](std::uint64_t request) { return wire::Snapshot{request + 1, 1, 1, {}, {}, {}}; };
    test.connect();
    CHECK(test.client->collect());
  }
  const DropReason reason = test.first_drop();
  INFO(test.received.drops.at(0).text);
  CHECK(reason == DropReason::unexpected);
}

TEST_CASE("a guest is not asked again before it has answered") {
  ClientFixture test;
  test.guest->snapshot = nullptr;
  test.connect();
  CHECK(test.client->collect());
  CHECK(test.client->collect());
  test.loop.pass(10ms);
  CHECK(test.guest->received<wire::Collect>().size() == 1);
}

TEST_CASE("a guest that never answers is given up at the timeout") {
  ClientFixture test;
  test.guest->snapshot = nullptr;
  test.timing.answer_timeout = 20ms;
  test.connect();
  CHECK(test.client->collect());
  CHECK(test.first_drop() == DropReason::silent);
}

TEST_CASE("a guest that refuses is asked again over the same connection") {
  ClientFixture test;
  test.guest->snapshot = nullptr;
  test.connect();
  CHECK(test.client->collect());
  REQUIRE(test.loop.until([&] { return test.guest->received<wire::Collect>().size() == 1; }));
  // About something else, then about the Collect.
  test.guest->send(wire::Refusal{0, "message 9 is not known"});
  test.guest->send(wire::Refusal{test.guest->received<wire::Collect>()[0].request, "asked too often"});
  REQUIRE(test.loop.until([&] { return test.received.refused.size() == 2; }));
  CHECK(test.received.refused == std::vector<std::string>{"message 9 is not known", "asked too often"});
  CHECK(test.received.unanswered == 1);
  CHECK(test.client->connected());
  CHECK(test.client->collect());
  REQUIRE(test.loop.until([&] { return test.guest->received<wire::Collect>().size() == 2; }));
  CHECK(test.received.drops.empty());
  CHECK(test.guest->connections == 1);
}

TEST_CASE("messages of a newer guest-probe are skipped, but not without end") {
  ClientFixture test;
  test.connect();
  test.guest->send(wire::Unknown{15});
  CHECK(test.client->collect());
  REQUIRE(test.loop.until([&] { return test.received.snapshots.size() == 1; }));
  CHECK(test.received.drops.empty());
  test.guest->send_bytes(many(wire::Unknown{15}));
  CHECK(test.first_drop() == DropReason::flood);
}

TEST_CASE("a guest that refuses without end is disconnected") {
  ClientFixture test;
  test.connect();
  test.guest->send_bytes(many(wire::Refusal{0, "no"}));
  CHECK(test.first_drop() == DropReason::flood);
}

TEST_CASE("guest-probe's port is what was configured") {
  ClientFixture test;
  test.port = 1000;
  test.connect();
  CHECK(test.guest->connect_lines == std::vector<std::string>{"CONNECT 1000\n"});
}

TEST_CASE("a snapshot that is rejected is not acknowledged, and the connection stays") {
  ClientFixture test;
  test.received.accepts = false;
  test.connect();
  CHECK(test.client->collect());
  REQUIRE(test.loop.until([&] { return test.received.snapshots.size() == 1; }));
  test.received.accepts = true;
  CHECK(test.client->collect());
  REQUIRE(test.loop.until([&] { return !test.guest->received<wire::Acknowledge>().empty(); }));
  CHECK(test.guest->received<wire::Acknowledge>().front().snapshot_sequence == 2);
  CHECK(test.guest->connections == 1);
}

TEST_CASE("OOM events come unasked and are acknowledged up to the highest") {
  ClientFixture test;
  test.connect();
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    wire::OomEvent event;
    event.sequence = sequence;
    test.guest->send(event);
  }
  const auto acknowledged = [&] { return test.guest->received<wire::Acknowledge>(); };
  REQUIRE(test.loop.until([&] { return !acknowledged().empty() && acknowledged().back().event_sequence == 3; }));
  CHECK(test.received.events.size() == 3);
  CHECK(acknowledged().back().snapshot_sequence == 0);
}

TEST_CASE("a new connection does not acknowledge what only an earlier one has brought") {
  ClientFixture test;
  wire::OomEvent event;
  event.sequence = 57;
  test.connect();
  test.guest->send(event);
  REQUIRE(test.loop.until([&] { return !test.guest->received<wire::Acknowledge>().empty(); }));
  test.guest->messages.clear();
  test.guest->close();
  REQUIRE(test.loop.until([&] { return test.guest->connections == 2 && test.client->connected(); }));
  CHECK(test.client->collect());
  REQUIRE(test.loop.until([&] { return !test.guest->received<wire::Acknowledge>().empty(); }));
  CHECK(test.guest->received<wire::Acknowledge>().back().event_sequence == 0);
}

TEST_CASE("a socket whose path is longer than an address holds is reached all the same") {
  ClientFixture test(std::string(100, 'd') + "/" + std::string(64, 'a'));
  REQUIRE((test.directory / "clh.sock").string().size() > 107);
  test.connect();
}

TEST_CASE("a guest whose messages take the host too long is disconnected, one within its limits is not") {
  ClientFixture test;
  test.timing.limits.cpu_seconds = TokenBucket(0.0, 0.0);
  test.start();
  CHECK(test.first_drop() == DropReason::costly);

  ClientFixture other;  // with the limits that guests have
  other.connect();
  for (std::uint64_t round = 1; round <= 200; ++round) {
    CHECK(other.client->collect());
    REQUIRE(other.loop.until([&] { return other.received.snapshots.size() == round; }));
  }
  CHECK(other.received.drops.empty());
}

TEST_CASE("a late answer comes with the time at which it was asked for") {
  ClientFixture test;
  test.guest->snapshot = nullptr;
  test.connect();
  CHECK_FALSE(test.client->waiting());
  CHECK(test.client->collect());
  CHECK(test.client->waiting());
  test.loop.pass(50ms);
  test.guest->send(wire::Snapshot{test.guest->received<wire::Collect>().at(0).request, 1, 1, {}, {}, {}});
  REQUIRE(test.loop.until([&] { return test.received.snapshots.size() == 1; }));
  CHECK(test.received.answer_times[0] >= 50ms);
  CHECK_FALSE(test.client->waiting());
}

// The runtime writes QEMU's process id after its sockets are there.
TEST_CASE("a guest whose CID is not known yet is absent, as one whose guest-probe has not started yet") {
  TemporaryDirectory temporary;
  Loop loop;
  Received received;
  const GuestAddress address{temporary.path().string(), "qmp.sock", wire::default_port, Reach::cid,
                             [] { return std::optional<std::uint32_t>(); }};
  GuestClient client(loop.events(), loop.timers(), address, received, {});
  client.start();
  REQUIRE(loop.until([&] { return !received.drops.empty(); }));
  CHECK(received.drops.front().reason == DropReason::absent);
}

TEST_CASE("a guest that is reached by its CID is sent a Hello at once, without CONNECT") {
  Loop loop;
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
  const Fd guest(ends[1]);
  Received received;
  GuestAddress address;
  address.reach = Reach::cid;
  GuestClient client(loop.events(), loop.timers(), address, received, {},
                     [&](const GuestAddress&) { return Result<Fd>(Fd(ends[0])); });
  client.start();

  std::string bytes;
  REQUIRE(loop.until([&] {
    std::array<char, 256> buffer{};
    const ssize_t got = read(guest.get(), buffer.data(), buffer.size());
    if (got > 0) bytes.append(buffer.data(), static_cast<std::size_t>(got));
    return !bytes.empty();
  }));
  wire::FrameReader frames;
  frames.append(bytes);
  const auto payload = frames.next();
  REQUIRE((payload && *payload));
  const auto message = wire::decode_host_message(**payload);
  REQUIRE(message);
  CHECK(std::holds_alternative<wire::Hello>(*message));

  const std::string hello = wire::frame(wire::encode(wire::GuestMessage(wire::Hello())));
  REQUIRE(write(guest.get(), hello.data(), hello.size()) == static_cast<ssize_t>(hello.size()));
  REQUIRE(loop.until([&] { return client.connected(); }));
  shutdown(guest.get(), SHUT_RDWR);
  REQUIRE(loop.until([&] { return !received.drops.empty(); }));
  CHECK(received.drops[0].reason == DropReason::closed);
}
