#include "guest-probe/account/io.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint32_t vda = 253u << 20;
constexpr std::uint32_t vdb = vda + 16;

io_record make_io(std::uint64_t id, std::uint32_t device, std::uint64_t count, std::uint64_t check = 0) {
  io_record record{};
  record.id = id;
  record.device = device;
  for (std::uint64_t i = 0; i < IO_COUNTS; ++i) record.counts.count[i] = count * (i + 1);
  record.check = check;
  return record;
}

}  // namespace

TEST_CASE("A walk has each container's devices one after the other") {
  const std::vector<io_record> walk{make_io(3, vda, 100), make_io(3, vdb, 7), make_io(6, vdb, 9)};
  const std::vector<ContainerIo> containers = account_io(walk);
  REQUIRE(containers.size() == 2);
  CHECK(containers[0].cgroup_id == 3);
  CHECK(containers[0].devices.at(vda)[IO_READ_BYTES] == 100);
  CHECK(containers[0].devices.at(vda)[IO_WRITES] == 500);
  CHECK(containers[0].devices.at(vdb)[IO_READ_BYTES] == 7);
  CHECK(containers[1].cgroup_id == 6);
  CHECK(containers[1].devices.size() == 1);
  CHECK(account_io({}).empty());
}

TEST_CASE("Two walks of block I/O agree unless something was flushed or a device came or went") {
  const std::vector<io_record> walk{make_io(3, vda, 10, 4), make_io(4, vda, 5, 2)};
  CHECK(walks_agree(walk, walk));
  std::vector<io_record> other = walk;
  other[1].counts.count[IO_READS] += 3;  // work goes on
  CHECK(walks_agree(walk, other));
  other[1].check++;
  CHECK_FALSE(walks_agree(walk, other));
  other = walk;
  other[0].device = vdb;
  CHECK_FALSE(walks_agree(walk, other));
  other.pop_back();
  CHECK_FALSE(walks_agree(walk, other));
}

TEST_CASE("A row has the devices on which something was done, as many as there is room for") {
  wire::Container row;
  DeviceCounts devices{{vda, {1, 2, 3, 4, 5}}, {vdb, {0, 0, 0, 0, 0}}};
  CHECK(set_io(row, devices) == 0);
  REQUIRE(row.block_devices.size() == 1);
  const wire::BlockDevice& device = row.block_devices[0];
  CHECK((device.major == 253 && device.minor == 0));
  CHECK((device.read_bytes == 1 && device.write_bytes == 2 && device.discard_bytes == 3));
  CHECK((device.reads == 4 && device.writes == 5));

  for (std::uint32_t i = 0; i < 10; ++i) devices[vdb + i] = {1, 1, 1, 1, 1};
  CHECK(set_io(row, devices) == 11 - wire::max_block_devices);
  CHECK(row.block_devices.size() == wire::max_block_devices);
  CHECK(row.block_devices[1].minor == 16);
}

TEST_CASE("Block I/O does not fall, a device that was away begins anew") {
  IoCounters counters;
  const auto keep = [&](DeviceCounts devices) {
    ContainerIo io{3, std::move(devices)};
    counters.begin();
    counters.raise(io);
    return io.devices;
  };
  keep({{vda, {10, 10, 10, 10}}, {vdb, {5, 5, 5, 5}}});
  const DeviceCounts second = keep({{vda, {8, 12, 10, 0}}});
  CHECK(second.at(vda) == DeviceCounts::mapped_type{10, 12, 10, 10});
  CHECK(keep({{vdb, {1, 1, 1, 1}}}).at(vdb)[0] == 1);

  keep({{vda, {20, 20, 20, 20}}});
  removed_record removed{};
  removed.io_devices = 2;
  removed.io[0] = {vda, 0, {{19, 21, 0, 0}}};
  removed.io[1] = {vdb, 0, {{1, 2, 3, 4}}};
  counters.raise_removed(3, removed);
  CHECK(removed_io(removed).at(vda) == DeviceCounts::mapped_type{20, 21, 20, 20});
  CHECK(removed_io(removed).at(vdb) == DeviceCounts::mapped_type{1, 2, 3, 4});
}

TEST_CASE("A volume has bytes for blocks, a path that the host takes, and is there once") {
  const auto record = [](std::vector<std::string> path, std::uint32_t device = 0) {
    volume_record made{};
    std::reverse(path.begin(), path.end());
    for (std::size_t i = 0; i < path.size(); ++i) std::strncpy(made.path[i], path[i].c_str(), PATH_PART_BYTES);
    made.path_is_whole = path.size() < PATH_PARTS;
    made.device = device;
    made.block_bytes = 1024;
    made.used_blocks = 2;
    made.max_blocks = 10;
    made.free_inodes = 3;
    made.max_inodes = 4;
    return made;
  };
  const std::uint32_t on_device = (254u << 20) + 16;
  const std::vector<volume_record> records{record({"run", "shm"}),
                                           record({"run", "shm"}),
                                           record({"data"}, on_device),
                                           record({"elsewhere"}, on_device),
                                           record({"a b"}),
                                           record({}, on_device + 1),
                                           record(std::vector<std::string>(PATH_PARTS, "deep"))};
  const std::vector<wire::Volume> volumes = account_volumes(records);
  REQUIRE(volumes.size() == 4);
  CHECK(volumes[0].name == "/run/shm");
  CHECK(volumes[0].used_bytes == 2048);
  CHECK(volumes[0].limit_bytes == 10240);
  CHECK(volumes[0].free_inodes == 3);
  CHECK(volumes[0].inodes == 4);
  CHECK_FALSE(volumes[0].is_on_device());
  CHECK(volumes[1].name == "/data");
  CHECK(volumes[1].major == 254);
  CHECK(volumes[1].minor == 16);
  CHECK(volumes[2].name == "/");
  CHECK(volumes[2].minor == 17);
  CHECK(volumes[3].name == "deep/deep/deep/deep/deep/deep");
}
