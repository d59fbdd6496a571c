#include <catch2/catch.hpp>
#include <random>

#include "tests/userspace/samples.h"
#include "userspace/wire/codec.h"

using namespace katameter::wire;

namespace {

// Field 2 of GuestFrame (a Snapshot) around `body`; for bodies below 128 bytes.
std::string snapshot_frame(const std::string& body) {
  return std::string("\x12") + static_cast<char>(body.size()) + body;
}

std::string error_of(const std::string& payload, const Limits& limits = {}) {
  const auto message = decode_guest_message(payload, limits);
  REQUIRE_FALSE(message);
  return message.error().text;
}

}  // namespace

TEST_CASE("A snapshot that ends anywhere too early is an error") {
  const std::string whole = encode(GuestMessage(sample_snapshot()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("cut at " << size);
    CHECK_FALSE(decode_guest_message(std::string_view(whole).substr(0, size)));
  }
}

TEST_CASE("Bytes changed at random never crash the decoder") {
  std::mt19937 random(1);
  const std::string whole = encode(GuestMessage(sample_snapshot()));
  std::size_t rejected = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string changed = whole;
    for (int i = 0; i < 3; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    if (!decode_guest_message(changed)) ++rejected;
  }
  CHECK(rejected > 1000);  // most changes hit a length, a tag or a text
}

TEST_CASE("Nonsense is an error that says what is wrong") {
  CHECK(error_of("") == "the frame holds no message");
  CHECK(error_of("hello, this is text") != "");
  CHECK(error_of(std::string(1000, '\xff')) != "");
  CHECK(error_of(snapshot_frame(std::string("\x08", 1))) != "");  // a number that never comes
  CHECK(error_of(snapshot_frame("\x0a\x01x")) == "Snapshot.request is not a number");
  CHECK(error_of(snapshot_frame(std::string("\x22\x00", 2))) == "a Container has no id");
  CHECK(error_of(snapshot_frame("\x22\x06\x0a\x04zzzz")) == "Container.id does not have 32 bytes");
  CHECK(error_of(std::string("\x10\x01", 2)) == "the frame's content is not a message");
}

TEST_CASE("What a frame may hold is bounded") {
  Snapshot snapshot = sample_snapshot();
  Limits limits;
  limits.containers = 1;
  CHECK(error_of(encode(GuestMessage(snapshot)), limits) == "Snapshot has too many containers");

  limits = Limits();
  limits.interfaces = 1;
  CHECK(error_of(encode(GuestMessage(snapshot)), limits) == "Snapshot has too many interfaces");

  limits = Limits();
  limits.block_devices = 1;
  CHECK(error_of(encode(GuestMessage(snapshot)), limits) == "a Container has too many block devices");

  limits = Limits();
  snapshot.containers[0].cgroup = std::string(limits.text_bytes, 'x');
  CHECK(decode_guest_message(encode(GuestMessage(snapshot)), limits));
  snapshot.containers[0].cgroup += 'x';
  CHECK(error_of(encode(GuestMessage(snapshot)), limits) == "Container.cgroup has 4097 bytes");

  Hello hello = sample_hello();
  hello.lacks.assign(limits.lacks + 1, "x");
  CHECK(error_of(encode(GuestMessage(hello)), limits) == "Hello.lacks has too many entries");
}

TEST_CASE("Text that could break a log line is refused") {
  OomEvent event = sample_oom_event();
  for (const char* bad : {"two\nlines", "esc\x1b[31m", "\xc3\xa9t\xc3\xa9"}) {
    event.victim_comm = bad;
    CHECK(error_of(encode(GuestMessage(event))) == "OomEvent.victim_comm has a byte that is not printable ASCII");
  }
}

TEST_CASE("A Hello without a protocol number is not taken for ours") {
  const auto hello = decode_guest_message(std::string("\x0a\x00", 2));
  REQUIRE(hello);
  CHECK(std::get<Hello>(*hello).protocol == 0);
}
