#include "guest-probe/collect/removed_containers.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;

namespace {

const auto page = static_cast<std::uint64_t>(getpagesize());

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

removed_record make_removed(const std::string& path, std::uint32_t kinds, std::uint64_t cpu_ns = 0) {
  static std::uint64_t sequence = 0;
  removed_record record{};
  record.sequence = ++sequence;
  record.kinds = kinds;
  record.cpu.usage_ns = cpu_ns;
  record.cpu.kinds = CPU_TIMES;
  record.memory = make_memory(0, 0, 3, 0);
  std::copy(path.begin(), path.end(), record.path);
  return record;
}

std::string path_of(char digit) {
  return "/cri-containerd/" + std::string(64, digit);
}

using Rows = std::map<ContainerId, wire::Container>;

}  // namespace

TEST_CASE("A removed container is reported with its last values until it is acknowledged") {
  RemovedContainers removed(8);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 500), MemoryFields());
  removed.add(make_removed(path_of('a'), REMOVED_MEMORY), MemoryFields());
  for (const std::uint64_t sequence : {1u, 2u}) {
    Rows rows;
    removed.report(rows, sequence);
    REQUIRE(rows.size() == 1);
    const wire::Container& row = rows.at(id_of('a'));
    CHECK(row.removed);
    CHECK(row.cpu_usage_ns == 500);
    CHECK(row.memory_rss_bytes == 3 * page);
    CHECK(row.memory_peak_bytes == 200 * page);
  }
  removed.acknowledge(1);
  Rows rows;
  removed.report(rows, 3);
  CHECK(rows.empty());
  CHECK(removed.cpu_usage_ns() == 500);
  // What is settled is the total's.
  const SettledRemovals settled = removed.take_settled();
  CHECK(settled.sequences == std::vector<std::uint64_t>{1, 2});
  CHECK(settled.cpu_usage_ns == 500);
  CHECK(removed.cpu_usage_ns() == 0);
}

TEST_CASE("While one of its hierarchies is still there, a container is not removed") {
  RemovedContainers removed(8);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 500), MemoryFields());
  Rows rows;
  rows[id_of('a')].memory_usage_bytes = 4096;
  removed.report(rows, 1);
  CHECK_FALSE(rows.at(id_of('a')).removed);
  CHECK(rows.at(id_of('a')).cpu_usage_ns == 500);
  CHECK(rows.at(id_of('a')).memory_usage_bytes == 4096);

  removed.acknowledge(1);  // of a snapshot that did not have it as removed
  removed.add(make_removed(path_of('a'), REMOVED_MEMORY), MemoryFields());
  Rows later;
  removed.report(later, 2);
  REQUIRE(later.size() == 1);
  CHECK(later.at(id_of('a')).removed);
  CHECK(later.at(id_of('a')).cpu_usage_ns == 500);
}

TEST_CASE("A nested cgroup that goes leaves its OOM kills with the container and is no row") {
  RemovedContainers removed(8);
  removed_record nested = make_removed(path_of('a') + "/inner", REMOVED_MEMORY);
  nested.memory.oom_kills = 2;
  removed.add(nested, MemoryFields());
  Rows rows;
  rows[id_of('a')].oom_kills = 1;
  removed.report(rows, 1);
  CHECK(rows.size() == 1);
  CHECK(rows.at(id_of('a')).oom_kills == 3);

  removed.add(make_removed(path_of('a'), REMOVED_MEMORY), MemoryFields());
  Rows last;
  removed.report(last, 2);
  CHECK(last.at(id_of('a')).oom_kills == 2);
}

TEST_CASE("Cgroups of the guest system are not kept, and no more than the capacity") {
  RemovedContainers removed(2);
  removed.add(make_removed("/system.slice/x.service", REMOVED_CPU, 7), MemoryFields());
  CHECK(removed.cpu_usage_ns() == 0);
  for (const char digit : {'a', 'b', 'c'}) removed.add(make_removed(path_of(digit), REMOVED_CPU, 1), MemoryFields());
  Rows rows;
  removed.report(rows, 1);
  CHECK(rows.size() == 2);
  CHECK(rows.count(id_of('a')) == 0);
  CHECK(removed.forgotten() == 1);
  CHECK(removed.cpu_usage_ns() == 3);
}

TEST_CASE("An id that lives a second time is a removed container a second time") {
  RemovedContainers removed(8);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 10), MemoryFields());
  Rows rows;
  removed.report(rows, 1);
  removed.add(make_removed(path_of('a'), REMOVED_CPU, 4), MemoryFields());
  Rows again;
  removed.report(again, 2);
  CHECK(again.at(id_of('a')).cpu_usage_ns == 4);
  removed.acknowledge(1);
  Rows kept;
  removed.report(kept, 3);
  CHECK(kept.size() == 1);
  CHECK(removed.cpu_usage_ns() == 14);
}

TEST_CASE("Block I/O of a removed cgroup is told with the container, or added to what still lives of it") {
  RemovedContainers removed(8);
  removed_record record = make_removed(path_of('a'), REMOVED_IO);
  record.io_devices = 1;
  record.io_lost = 2;
  record.io[0] = {7u << 20, 0, {{4096, 0, 1, 0}}};
  removed.add(record, MemoryFields());
  CHECK(removed.block_devices_left_out() == 2);
  Rows rows;
  rows[id_of('a')].id = id_of('a');
  removed.report(rows, 1);
  CHECK_FALSE(rows.at(id_of('a')).removed);
  REQUIRE(rows.at(id_of('a')).block_devices.size() == 1);
  CHECK(rows.at(id_of('a')).block_devices[0].read_bytes == 4096);
  rows.clear();
  removed.report(rows, 2);
  CHECK(rows.at(id_of('a')).removed);
  CHECK(rows.at(id_of('a')).block_devices.size() == 1);
}
