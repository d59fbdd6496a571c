#include <unistd.h>

#include <catch2/catch.hpp>

#include "guest-probe/account/memory_account.h"
#include "guest-probe/account/rising_faults.h"
#include "tests/guest-probe/records.h"

using namespace katameter;

namespace {

const auto page = static_cast<std::uint64_t>(getpagesize());

}  // namespace

TEST_CASE("What the CPUs have not handed in is added to what they have") {
  const ContainerMemory memory = memory_figures(make_memory(3, 50, 12), MemoryFields());
  CHECK(memory.cgroup_id == 3);
  CHECK(memory.rss_bytes == (50 + 12) * page);
  CHECK(memory.usage_bytes == 100 * page);
  CHECK(memory.peak_bytes == 200 * page);
  CHECK(memory.limit_bytes == 300 * page);
}

TEST_CASE("A limit that is none, and a figure that is not served, are left out") {
  memory_record record = make_memory(3, 50, 0);
  record.limit_pages = static_cast<std::uint64_t>(INT64_MAX) / page;
  MemoryFields fields;
  fields.rss = false;
  const ContainerMemory memory = memory_figures(record, fields);
  CHECK_FALSE(memory.limit_bytes);
  CHECK_FALSE(memory.rss_bytes);
  CHECK(memory.cache_bytes == 0);
}

TEST_CASE("Working set is usage less inactive file, and never negative") {
  memory_record record = make_memory(3, 0, 0);
  record.stat[STAT_INACTIVE_FILE] = 30;
  record.pending[STAT_INACTIVE_FILE] = 2;
  CHECK(memory_figures(record, MemoryFields()).working_set_bytes == 68 * page);
  record.stat[STAT_INACTIVE_FILE] = 150;
  CHECK(memory_figures(record, MemoryFields()).working_set_bytes == 0);
}

TEST_CASE("Stalls are absent where they are not counted") {
  memory_record record = make_memory(3, 0, 0);
  record.stalls = 3;
  record.stall_ns = 300;
  MemoryFields fields;
  CHECK(memory_figures(record, fields).stalls == 3);
  CHECK(memory_figures(record, fields).stall_ns == 300);
  fields.stalls = false;
  CHECK_FALSE(memory_figures(record, fields).stalls);
}

TEST_CASE("Page faults are events, not bytes") {
  memory_record record = make_memory(3, 0, 0);
  record.stat[STAT_FAULTS] = 64;
  record.pending[STAT_FAULTS] = 8;
  CHECK(memory_figures(record, MemoryFields()).page_faults == 72);
}

TEST_CASE("Two walks agree only if nothing was handed in between") {
  const std::vector<memory_record> first{make_memory(1, 10, 1), make_memory(2, 5, 2)};
  std::vector<memory_record> second = first;
  CHECK(walks_agree(first, second));
  second[1].pending[STAT_ANON] = 31;  // a page touched in between is no disturbance
  CHECK(walks_agree(first, second));
  second[1].stat[STAT_ANON] = 38;
  CHECK_FALSE(walks_agree(first, second));
  CHECK_FALSE(walks_agree({}, first));
  second = {first[0], make_memory(3, 5, 2)};
  CHECK_FALSE(walks_agree(first, second));
  second = first;
  second[0].check = 7;  // in a cgroup below the container's
  CHECK_FALSE(walks_agree(first, second));
}

TEST_CASE("OOM kills do not go back") {
  RisingFaults rising;
  ContainerMemory memory;
  memory.cgroup_id = 3;
  for (const std::uint64_t kills : {4u, 1u}) {
    memory.oom_kills = kills;
    rising.begin();
    rising.keep(memory);
    CHECK(memory.oom_kills == 4);
  }
  memory_record removed = make_memory(3, 0, 0);
  rising.keep(3, removed);
  CHECK(removed.oom_kills == 4);
}

TEST_CASE("Page faults do not go back, neither in a living cgroup nor in what is left of it") {
  RisingFaults rising;
  ContainerMemory memory;
  memory.cgroup_id = 3;
  const auto keep = [&](std::uint64_t faults) {
    memory.page_faults = faults;
    rising.begin();
    rising.keep(memory);
    return *memory.page_faults;
  };
  CHECK(keep(100) == 100);
  CHECK(keep(90) == 100);
  CHECK(keep(110) == 110);
  memory_record removed = make_memory(3, 0, 0);
  removed.stat[STAT_FAULTS] = 60;
  removed.pending[STAT_FAULTS] = 40;
  rising.keep(3, removed);
  CHECK(removed.stat[STAT_FAULTS] + removed.pending[STAT_FAULTS] == 110);
  rising.begin();
  rising.begin();  // it was not seen in between: another cgroup may not inherit anything
  CHECK(keep(5) == 5);
}
