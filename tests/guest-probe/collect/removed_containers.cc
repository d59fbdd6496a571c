#include "guest-probe/collect/removed_containers.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"
#include "tests/support/containers.h"

using namespace katameter;
using namespace katameter::guest;
using katameter::testing::id_of;

namespace {

const auto page = static_cast<std::uint64_t>(getpagesize());

removed_record make_removed(const std::string& path, std::uint32_t kinds, std::uint64_t cpu_ns = 0) {
  static std::uint64_t sequence = 0;
  removed_record record{};
  record.sequence = ++sequence;
  record.kinds = kinds;
  record.cpu.usage_ns = cpu_ns;
  record.cpu.kinds = CPU_TIMES;
  record.memory = make_memory(0, 3, 0);
  std::copy(path.begin(), path.end(), record.path);
  std::copy(path.end() - CONTAINER_DIGITS, path.end(), record.container);
  return record;
}

std::string path_of(char digit) {
  return "/cri-containerd/" + std::string(64, digit);
}

using Rows = std::map<ContainerId, wire::Container>;
constexpr std::size_t room = 100;

}  // namespace

TEST_CASE("A removed container is reported with its last values until it is acknowledged") {
  RemovedContainers removed(8);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 500), FigureSet::all());
  removed.add(make_removed(path_of('a'), REMOVED_MEMORY), FigureSet::all());
  for (const std::uint64_t sequence : {1u, 2u}) {
    Rows rows;
    removed.report(rows, sequence, room);
    REQUIRE(rows.size() == 1);
    const wire::Container& row = rows.at(id_of('a'));
    CHECK(row.removed);
    CHECK(row.cpu_usage_ns == 500);
    CHECK(row.memory_rss_bytes == 3 * page);
    CHECK(row.memory_peak_bytes == 200 * page);
  }
  removed.acknowledge(1);
  Rows rows;
  removed.report(rows, 3, room);
  CHECK(rows.empty());
  CHECK(removed.take_done() == std::vector<std::uint64_t>{1, 2});
  CHECK(removed.take_done().empty());
}

TEST_CASE("While one of its hierarchies is still there, a container is not removed") {
  RemovedContainers removed(8);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 500), FigureSet::all());
  Rows rows;
  rows[id_of('a')].memory_usage_bytes = 4096;
  removed.report(rows, 1, room);
  CHECK_FALSE(rows.at(id_of('a')).removed);
  CHECK(rows.at(id_of('a')).cpu_usage_ns == 500);
  CHECK(rows.at(id_of('a')).memory_usage_bytes == 4096);

  removed.acknowledge(1);  // of a snapshot that did not have it as removed
  removed.add(make_removed(path_of('a'), REMOVED_MEMORY), FigureSet::all());
  Rows later;
  removed.report(later, 2, room);
  REQUIRE(later.size() == 1);
  CHECK(later.at(id_of('a')).removed);
  CHECK(later.at(id_of('a')).cpu_usage_ns == 500);
}

TEST_CASE("No more containers are kept than the capacity, and the oldest goes") {
  RemovedContainers removed(2);
  for (const char digit : {'a', 'b', 'c'}) removed.add(make_removed(path_of(digit), REMOVED_CPU, 1), FigureSet::all());
  Rows rows;
  removed.report(rows, 1, room);
  CHECK(rows.size() == 2);
  CHECK(rows.count(id_of('a')) == 0);
  CHECK(removed.forgotten() == 1);
}

TEST_CASE("An id that lives a second time is a removed container a second time") {
  RemovedContainers removed(8);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 10), FigureSet::all());
  Rows rows;
  removed.report(rows, 1, room);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 4), FigureSet::all());
  Rows again;
  removed.report(again, 2, room);
  CHECK(again.at(id_of('a')).cpu_usage_ns == 4);
  removed.acknowledge(1);
  Rows kept;
  removed.report(kept, 3, room);
  CHECK(kept.size() == 1);
}

TEST_CASE("Block I/O of a removed cgroup is reported with the container, or added to what still lives of it") {
  RemovedContainers removed(8);
  removed_record record = make_removed(path_of('a'), REMOVED_IO);
  record.io_devices = 1;
  record.io_lost = 2;
  record.io[0] = {7u << 20, 0, {{4096, 0, 1, 0}}};
  removed.add(record, FigureSet::all());
  CHECK(removed.block_devices_left_out() == 2);
  Rows rows;
  rows[id_of('a')].id = id_of('a');
  removed.report(rows, 1, room);
  CHECK_FALSE(rows.at(id_of('a')).removed);
  REQUIRE(rows.at(id_of('a')).block_devices.size() == 1);
  CHECK(rows.at(id_of('a')).block_devices[0].read_bytes == 4096);
  rows.clear();
  removed.report(rows, 2, room);
  CHECK(rows.at(id_of('a')).removed);
  CHECK(rows.at(id_of('a')).block_devices.size() == 1);
}

TEST_CASE("What finds no room in a snapshot waits for the next one, and what went first is reported first") {
  RemovedContainers removed(8);
  for (const char digit : {'c', 'a', 'b'}) removed.add(make_removed(path_of(digit), REMOVED_CPU, 1), FigureSet::all());
  Rows rows;
  removed.report(rows, 1, 2);
  CHECK(rows.size() == 2);
  CHECK((rows.contains(id_of('c')) && rows.contains(id_of('a'))));
  removed.acknowledge(1);
  Rows next;
  removed.report(next, 2, 2);
  REQUIRE(next.size() == 1);
  CHECK(next.contains(id_of('b')));
}

TEST_CASE("A container of whose removal there is no record is reported with what it had last") {
  RemovedContainers removed(8);
  wire::Container last;
  last.id = id_of('a');
  last.cpu_usage_ns = 70;
  removed.add(last);
  CHECK(removed.find(id_of('a')) != nullptr);
  Rows rows;
  removed.report(rows, 1, room);
  CHECK(rows.at(id_of('a')).removed);
  CHECK(rows.at(id_of('a')).cpu_usage_ns == 70);
  removed.acknowledge(1);
  CHECK(removed.find(id_of('a')) == nullptr);
}
