#include "userspace/wire/snapshot_size.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/userspace/samples.h"
#include "userspace/wire/codec.h"

using namespace katameter::wire;

namespace {

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
  set_to_largest(snapshot.guest, guest_losses);
  Interface link;
  link.name = std::string(15, 'x');
  set_to_largest(link, interface_figures);
  snapshot.interfaces.assign(max_interfaces, link);
  return snapshot;
}

bool all_have_paths(const Snapshot& snapshot) {
  return std::all_of(snapshot.containers.begin(), snapshot.containers.end(),
                     [](const Container& row) { return !row.cgroup.empty(); });
}

}  // namespace

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
