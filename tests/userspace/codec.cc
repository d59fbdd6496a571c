#include "userspace/wire/codec.h"

#include <catch2/catch.hpp>

#include "tests/userspace/samples.h"

using namespace katameter::wire;

namespace {

// Equal messages have equal bytes, and the bytes hold every field.
template <typename Message>
std::string bytes_of(const Message& message) {
  return encode(message);
}

}  // namespace

TEST_CASE("A snapshot comes back as it was sent, absent figures absent and zeros zero") {
  const Snapshot sent = sample_snapshot();
  const auto received = decode_guest_message(encode(GuestMessage(sent)));
  REQUIRE(received);
  const auto& snapshot = std::get<Snapshot>(*received);
  CHECK(snapshot.request == 7);
  CHECK(snapshot.sequence == 3);
  CHECK(snapshot.boottime_ns == 123'456'789'012);
  REQUIRE(snapshot.containers.size() == 2);
  CHECK(snapshot.containers[0].id == sample_id('a'));
  CHECK(snapshot.containers[0].memory_usage_bytes == 1'000'000);
  CHECK(snapshot.containers[0].oom_kills == 0);
  CHECK_FALSE(snapshot.containers[0].removed);
  REQUIRE(snapshot.containers[0].block_devices.size() == 2);
  CHECK(snapshot.containers[0].block_devices[0].minor == 16);
  CHECK(snapshot.containers[0].block_devices[0].writes == UINT64_MAX);
  CHECK(snapshot.containers[0].block_devices[1].major == 7);
  CHECK(snapshot.containers[1].removed);
  CHECK(snapshot.containers[1].cpu_usage_ns == UINT64_MAX);
  CHECK_FALSE(snapshot.containers[1].memory_usage_bytes);
  CHECK(snapshot.guest.workload_cpu_usage_ns == 0);
  CHECK(snapshot.guest.swap_free_bytes == 0);
  for (const GuestLoss& loss : guest_losses) CHECK(snapshot.guest.*loss.value == sent.guest.*loss.value);
  REQUIRE(snapshot.interfaces.size() == 2);
  CHECK(snapshot.interfaces[0].name == "eth0");
  CHECK(snapshot.interfaces[0].transmit_errors == UINT64_MAX);
  CHECK(snapshot.interfaces[1].name == "eth1");
  CHECK(bytes_of(GuestMessage(snapshot)) == bytes_of(GuestMessage(sent)));
}

TEST_CASE("Hello and OOM events come back as they were sent") {
  const auto hello = decode_guest_message(encode(GuestMessage(sample_hello())));
  REQUIRE(hello);
  CHECK(std::get<Hello>(*hello).lacks == std::vector<std::string>{"one thing", "another"});
  CHECK(bytes_of(*hello) == bytes_of(GuestMessage(sample_hello())));

  const auto event = decode_guest_message(encode(GuestMessage(sample_oom_event())));
  REQUIRE(event);
  CHECK(std::get<OomEvent>(*event).container == sample_id('c'));
  CHECK(std::get<OomEvent>(*event).victim_comm == "hog");
  CHECK(std::get<OomEvent>(*event).oom_class == OomClass::pod_limit);
  CHECK(std::get<OomEvent>(*event).limit_cgroup == "/cri-containerd");
  CHECK(bytes_of(*event) == bytes_of(GuestMessage(sample_oom_event())));

  OomEvent outside = sample_oom_event();
  outside.container.reset();
  const auto no_container = decode_guest_message(encode(GuestMessage(outside)));
  REQUIRE(no_container);
  CHECK_FALSE(std::get<OomEvent>(*no_container).container);
}

TEST_CASE("A class of OOM kills that this version does not know is unknown") {
  OomEvent event = sample_oom_event();
  event.oom_class = static_cast<OomClass>(oom_classes);
  const auto received = decode_guest_message(encode(GuestMessage(event)));
  REQUIRE(received);
  CHECK(std::get<OomEvent>(*received).oom_class == OomClass::unknown);
}

TEST_CASE("The host's messages come back as they were sent") {
  const auto collect = decode_host_message(encode(HostMessage(Collect{41})));
  REQUIRE(collect);
  CHECK(std::get<Collect>(*collect).request == 41);
  const auto acknowledge = decode_host_message(encode(HostMessage(Acknowledge{5, 6})));
  REQUIRE(acknowledge);
  CHECK(std::get<Acknowledge>(*acknowledge).event_sequence == 5);
  CHECK(std::get<Acknowledge>(*acknowledge).snapshot_sequence == 6);
}

TEST_CASE("A message without a single field is still a message") {
  const auto collect = decode_host_message(encode(HostMessage(Collect{})));
  REQUIRE(collect);
  CHECK(std::holds_alternative<Collect>(*collect));
  const auto snapshot = decode_guest_message(encode(GuestMessage(Snapshot{})));
  REQUIRE(snapshot);
  CHECK(std::holds_alternative<Snapshot>(*snapshot));
}

TEST_CASE("Fields of a newer version are skipped") {
  std::string payload = encode(GuestMessage(sample_snapshot()));
  // Field 100, in the frame itself: a varint, eight bytes, a text, four bytes.
  const std::string unknown(
      "\xa0\x06\x01"
      "\xa1\x06"
      "12345678"
      "\xa2\x06\x03"
      "abc"
      "\xa5\x06"
      "1234",
      25);
  const auto received = decode_guest_message(unknown + payload);
  REQUIRE(received);
  CHECK(std::get<Snapshot>(*received).containers.size() == 2);
}

TEST_CASE("A refusal comes back as it was sent") {
  const auto received = decode_guest_message(encode(GuestMessage(sample_refusal())));
  REQUIRE(received);
  CHECK(std::get<Refusal>(*received).request == 7);
  CHECK(std::get<Refusal>(*received).reason == "asked too often");
}

// What it did: the fields that it knows, of several messages the last.
TEST_CASE("A host that does not know refusals takes one for an OOM event that it has had") {
  std::string payload = encode(GuestMessage(sample_refusal()));
  payload[payload.find('\x22')] = '\x7a';  // field 4 becomes 15
  const auto received = decode_guest_message(payload);
  REQUIRE(received);
  CHECK(std::get<OomEvent>(*received).sequence == 0);
}

TEST_CASE("A message of a newer version is known to be one, in both directions") {
  const std::string newer("\x7a\x03\x08\x01\x10", 5);
  const auto host = decode_host_message(newer);
  REQUIRE(host);
  CHECK(std::get<Unknown>(*host).field == 15);
  CHECK(encode(*host) == std::string("\x7a\x00", 2));
  const auto guest = decode_guest_message(newer);
  REQUIRE(guest);
  CHECK(std::get<Unknown>(*guest).field == 15);
  // With one that is known beside it, that one counts.
  const auto both = decode_host_message(encode(HostMessage(Collect{3})) + newer);
  REQUIRE(both);
  CHECK(std::get<Collect>(*both).request == 3);
}
