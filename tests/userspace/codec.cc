#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "tests/userspace/samples.h"
#include "userspace/wire/codec.h"

using namespace katameter::wire;

namespace {

// Equal messages have equal bytes, and the bytes hold every field.
template <typename Message>
std::string bytes_of(const Message& message) {
  return encode(message);
}

// Field 2 of GuestFrame (a Snapshot) around `body`; for bodies below 128 bytes.
std::string snapshot_frame(const std::string& body) {
  return std::string("\x12") + static_cast<char>(body.size()) + body;
}

std::string error_of(const std::string& payload, const Limits& limits = {}) {
  const auto message = decode_guest_message(payload, limits);
  REQUIRE_FALSE(message);
  return message.error().text;
}

katameter::ContainerId numbered_id(std::size_t number) {
  std::string raw(32, '\xff');
  raw[0] = static_cast<char>(number);
  raw[1] = static_cast<char>(number >> 8);
  return *katameter::ContainerId::from_bytes(raw);
}

template <typename Message, typename Table>
void set_to_largest(Message& message, const Table& table) {
  for (const auto& figure : table) message.*figure.value = UINT64_MAX;
}

// Every figure takes all the bytes that it can.
Snapshot largest(std::size_t rows) {
  Snapshot snapshot;
  snapshot.request = snapshot.sequence = snapshot.boottime_ns = UINT64_MAX;
  BlockDevice device{UINT32_MAX, UINT32_MAX, 0, 0, 0, 0};
  set_to_largest(device, block_device_figures);
  Container row;
  row.removed = true;
  row.block_devices.assign(max_block_devices, device);
  set_to_largest(row, container_figures);
  row.cgroup = "/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + std::string(64, 'a') + ".scope";
  for (std::size_t number = 0; number < rows; ++number) {
    row.id = numbered_id(number);
    snapshot.containers.push_back(row);
  }
  set_to_largest(snapshot.guest, guest_figures);
  Interface link;
  link.name = std::string(15, 'x');
  set_to_largest(link, interface_figures);
  snapshot.interfaces.assign(max_interfaces, link);
  Disk disk{.major = UINT32_MAX, .minor = UINT32_MAX};
  set_to_largest(disk, disk_figures);
  snapshot.disks.assign(max_disks, disk);
  Volume volume;
  volume.name = std::string(max_mount_point_bytes, 'x');
  set_to_largest(volume, volume_figures);
  volume.major = volume.minor = UINT32_MAX;
  snapshot.volumes.assign(max_volumes, volume);
  return snapshot;
}

bool all_have_paths(const Snapshot& snapshot) {
  return std::all_of(snapshot.containers.begin(), snapshot.containers.end(),
                     [](const Container& row) { return !row.cgroup.empty(); });
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
  CHECK(snapshot.containers[0].block_devices[0].discard_bytes == 5);
  CHECK(snapshot.containers[0].block_devices[1].major == 7);
  CHECK(snapshot.containers[1].removed);
  CHECK(snapshot.containers[1].cpu_usage_ns == UINT64_MAX);
  CHECK_FALSE(snapshot.containers[1].memory_usage_bytes);
  CHECK(snapshot.guest.workload_cpu_usage_ns == 0);
  CHECK(snapshot.guest.swap_free_bytes == 0);
  for (const GuestFigure& figure : guest_figures) CHECK(snapshot.guest.*figure.value == sent.guest.*figure.value);
  REQUIRE(snapshot.interfaces.size() == 2);
  CHECK(snapshot.interfaces[0].name == "eth0");
  CHECK(snapshot.interfaces[0].transmit_errors == UINT64_MAX);
  CHECK(snapshot.interfaces[1].name == "eth1");
  REQUIRE(snapshot.disks.size() == 2);
  CHECK(snapshot.disks[0].major == 254);
  CHECK(snapshot.disks[0].minor == 16);
  for (const DiskFigure& figure : disk_figures) CHECK(snapshot.disks[0].*figure.value == sent.disks[0].*figure.value);
  CHECK(snapshot.disks[1].reads == 0);
  CHECK(snapshot.disks[1].flush_ms == UINT64_MAX);
  REQUIRE(snapshot.volumes.size() == 2);
  CHECK(snapshot.volumes[0].name == "/cache");
  CHECK_FALSE(snapshot.volumes[0].is_on_device());
  CHECK(snapshot.volumes[0].inodes == UINT64_MAX);
  CHECK(snapshot.volumes[1].name == "/data");
  CHECK(snapshot.volumes[1].major == 254);
  CHECK(snapshot.volumes[1].minor == 16);
  CHECK(snapshot.volumes[1].used_bytes == 4);
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
  limits.disks = 1;
  CHECK(error_of(encode(GuestMessage(snapshot)), limits) == "Snapshot has too many disks");

  limits = Limits();
  limits.volumes = 1;
  CHECK(error_of(encode(GuestMessage(snapshot)), limits) == "Snapshot has too many volumes");

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

TEST_CASE("The largest snapshot fits a frame and is taken by the host, without its paths") {
  const Snapshot sent = largest(max_snapshot_rows);
  const std::string payload = encode(GuestMessage(sent));
  CHECK(payload.size() <= encoded::max_snapshot);
  CHECK(payload.size() + 64 >= encoded::max_snapshot);  // the bound is the sum of what is there, or it shows nothing
  CHECK(payload.size() <= max_frame_bytes);
  const auto received = decode_guest_message(payload);
  REQUIRE(received);
  const auto& snapshot = std::get<Snapshot>(*received);
  REQUIRE(snapshot.containers.size() == max_snapshot_rows);
  CHECK(snapshot.containers.back().id == sent.containers.back().id);
  CHECK(snapshot.containers.back().memory_stall_ns == UINT64_MAX);
  CHECK(snapshot.containers.back().block_devices.size() == max_block_devices);
  CHECK(snapshot.containers.back().cgroup.empty());
  CHECK(snapshot.interfaces.size() == max_interfaces);
  CHECK(snapshot.disks.size() == max_disks);
  CHECK(snapshot.volumes.size() == max_volumes);
}

TEST_CASE("A snapshot has its paths as long as older hosts take it with them") {
  // Bytes of a row with its path, which is above what encoded::max_container has.
  const std::size_t row = encode(GuestMessage(largest(1))).size() - encode(GuestMessage(largest(0))).size();
  const std::size_t fit = max_frame_bytes_with_paths / row - 10;
  const auto with = decode_guest_message(encode(GuestMessage(largest(fit))));
  REQUIRE(with);
  CHECK(all_have_paths(std::get<Snapshot>(*with)));
  const std::string payload = encode(GuestMessage(largest(fit + 20)));
  CHECK(payload.size() <= max_frame_bytes_with_paths);
  const auto without = decode_guest_message(payload);
  REQUIRE(without);
  CHECK_FALSE(all_have_paths(std::get<Snapshot>(*without)));
}
