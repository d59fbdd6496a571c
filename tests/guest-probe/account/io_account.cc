#include "guest-probe/account/io_account.h"

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;

namespace {

constexpr std::uint32_t vda = 253u << 20;
constexpr std::uint32_t vdb = vda + 16;

io_record make_io(std::uint64_t id, std::uint32_t depth, std::uint32_t device, std::uint64_t own,
                  std::uint64_t handed_up = 0, std::uint32_t flags = NODE_ONLINE) {
  io_record record{};
  record.node = {id, depth, flags};
  record.device = device;
  for (std::uint64_t i = 0; i < IO_COUNTS; ++i) {
    record.own.count[i] = own * (i + 1);
    record.handed_up.count[i] = handed_up * (i + 1);
  }
  record.taken = handed_up;
  return record;
}

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

// / - pods - a... - nested - deeper
//          - b...
CgroupPaths sample_paths() {
  CgroupPaths paths;
  paths.learn(std::vector{make_name(1, 0, "/"), make_name(2, 1, "pods"), make_name(3, 2, std::string(64, 'a')),
                          make_name(4, 3, "nested"), make_name(5, 4, "deeper"), make_name(6, 2, std::string(64, 'b'))});
  return paths;
}

std::uint64_t read_bytes(const std::map<ContainerId, ContainerIo>& containers, char digit, std::uint32_t device) {
  return containers.at(id_of(digit)).devices.at(device)[IO_READ_BYTES];
}

}  // namespace

TEST_CASE("A container's block I/O is its own and what is on its way up from below, each device for itself") {
  const std::vector<io_record> walk{make_io(2, 1, vda, 500),    make_io(3, 2, vda, 100, 90), make_io(3, 2, vdb, 7),
                                    make_io(4, 3, vda, 50, 30), make_io(4, 3, vdb, 6, 6),    make_io(5, 4, vda, 4, 1),
                                    make_io(6, 2, vdb, 9)};
  const auto containers = account_io(walk, sample_paths());
  REQUIRE(containers.size() == 2);
  CHECK(read_bytes(containers, 'a', vda) == 100 + (50 - 30) + (4 - 1));
  CHECK(read_bytes(containers, 'a', vdb) == 7);
  CHECK(containers.at(id_of('a')).devices.at(vda)[IO_WRITES] == 4 * 123);
  CHECK(containers.at(id_of('a')).cgroup_id == 3);
  CHECK(containers.at(id_of('b')).devices.size() == 1);
  CHECK(read_bytes(containers, 'b', vdb) == 9);
}

TEST_CASE("A removed nested cgroup without a name still counts for its container, a removed container for none") {
  const auto living = account_io(std::vector{make_io(3, 2, vda, 10), make_io(99, 3, vda, 5, 0, 0)}, sample_paths());
  CHECK(read_bytes(living, 'a', vda) == 15);
  CHECK(account_io(std::vector{make_io(3, 2, vda, 10, 0, 0), make_io(4, 3, vda, 5)}, sample_paths()).empty());
  CHECK(account_io(std::vector{make_io(2, 1, vda, 10), make_io(77, 2, vda, 5)}, sample_paths()).empty());
}

TEST_CASE("Two walks of block I/O agree unless something was flushed or a device came or went") {
  const std::vector<io_record> walk{make_io(3, 2, vda, 10, 4), make_io(4, 3, vda, 5, 2)};
  CHECK(walks_agree(walk, walk));
  std::vector<io_record> other = walk;
  other[1].own.count[IO_READS] += 3;  // work goes on
  CHECK(walks_agree(walk, other));
  other[1].taken++;
  CHECK_FALSE(walks_agree(walk, other));
  other = walk;
  other[0].handed_up.count[IO_WRITES]++;
  CHECK_FALSE(walks_agree(walk, other));
  other = walk;
  other[0].device = vdb;
  CHECK_FALSE(walks_agree(walk, other));
  other.pop_back();
  CHECK_FALSE(walks_agree(walk, other));
}

TEST_CASE("A row has the devices on which something was done, as many as there is room for") {
  wire::Container row;
  DeviceCounts devices{{vda, {1, 2, 3, 4}}, {vdb, {0, 0, 0, 0}}};
  CHECK(set_io(row, devices) == 0);
  REQUIRE(row.block_devices.size() == 1);
  const wire::BlockDevice& device = row.block_devices[0];
  CHECK((device.major == 253 && device.minor == 0));
  CHECK((device.read_bytes == 1 && device.write_bytes == 2 && device.reads == 3 && device.writes == 4));

  for (std::uint32_t i = 0; i < 10; ++i) devices[vdb + i] = {1, 1, 1, 1};
  CHECK(set_io(row, devices) == 11 - wire::block_devices_at_most);
  CHECK(row.block_devices.size() == wire::block_devices_at_most);
  CHECK(row.block_devices[1].minor == 16);
}

TEST_CASE("Block I/O does not go back, a device that was away begins anew") {
  RisingIo rising;
  const auto keep = [&](DeviceCounts devices) {
    ContainerIo io{3, std::move(devices)};
    rising.begin();
    rising.keep(io);
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
  rising.keep(3, removed);
  CHECK(removed_io(removed).at(vda) == DeviceCounts::mapped_type{20, 21, 20, 20});
  CHECK(removed_io(removed).at(vdb) == DeviceCounts::mapped_type{1, 2, 3, 4});
}
