#include <catch2/catch.hpp>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t page = 4096;
// A CPU hands its pages in at more than 32, so memory.stat may be late by that on each of the guest's CPUs.
constexpr std::uint64_t late_pages = 32 * 2;

wire::Container row_of(const Daemon& daemon, const TestCgroup& cgroup) {
  auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  return *row;
}

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : b - a;
}

}  // namespace

TEST_CASE("Usage, peak, limit and failcnt are the files' of the same moment", "[memory]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  cgroup.write("memory", "memory.limit_in_bytes", "67108864");
  Workload workload(cgroup);
  for (const std::size_t pages : {1u, 100u, 777u, 3000u}) {
    workload.touch_anonymous(pages);
    // A page may still be given back from a CPU's list; what is compared is a moment at which the file stood still.
    std::uint64_t usage_before = 0;
    std::uint64_t usage_after = 1;
    wire::Container row;
    for (int attempt = 0; attempt < 20 && usage_before != usage_after; ++attempt) {
      usage_before = cgroup.read("memory", "memory.usage_in_bytes");
      row = row_of(daemon, cgroup);
      usage_after = cgroup.read("memory", "memory.usage_in_bytes");
    }
    REQUIRE(usage_before == usage_after);
    CHECK(row.memory_usage_bytes == usage_before);
    CHECK(row.memory_peak_bytes == cgroup.read("memory", "memory.max_usage_in_bytes"));
    CHECK(row.memory_limit_bytes == 67108864);
    CHECK(row.memory_failcnt == cgroup.read("memory", "memory.failcnt"));
    CHECK(row.oom_kills == 0);
  }
}

TEST_CASE("A peak that no sample saw is reported", "[both][memory]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  {
    Workload brief(cgroup);
    brief.touch_anonymous(4000);
  }
  const wire::Container row = row_of(daemon, cgroup);
  CHECK(*row.memory_peak_bytes >= 4000 * page);
  CHECK(*row.memory_usage_bytes < 1000 * page);
  if (const auto peak = read_memory_peak(cgroup)) CHECK(row.memory_peak_bytes == *peak);
}

TEST_CASE("Without a limit there is no limit figure", "[memory]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  CHECK_FALSE(row_of(daemon, cgroup).memory_limit_bytes);
}

TEST_CASE("rss is right to the page: the pages that the process touched are the witness", "[memory.stat]") {
  const Daemon daemon;
  const TestCgroup cgroup('3');
  Workload workload(cgroup);
  workload.touch_anonymous(1);
  const std::uint64_t base = *row_of(daemon, cgroup).memory_rss_bytes;
  std::uint64_t touched = 0;
  // memory.stat may be late, so it is only a witness of the order of magnitude.
  for (const std::size_t pages : {1u, 2u, 31u, 32u, 33u, 5u, 64u, 1000u, 7u, 1u, 1u, 13u}) {
    workload.touch_anonymous(pages);
    touched += pages;
    const std::uint64_t ours = *row_of(daemon, cgroup).memory_rss_bytes;
    CHECK(ours - base == touched * page);
    CHECK(distance(ours, cgroup.read_table("memory", "memory.stat").at("total_rss")) <= late_pages * page);
  }
}

TEST_CASE("cache is right to the page, and none of it is lost from the working set", "[memory.stat]") {
  const Daemon daemon;
  const TestCgroup cgroup('4');
  Workload workload(cgroup);
  workload.touch_file(1);
  const wire::Container base = row_of(daemon, cgroup);
  std::uint64_t touched = 0;
  for (const std::size_t pages : {1u, 2u, 31u, 32u, 33u, 500u, 3u}) {
    workload.touch_file(pages);
    touched += pages;
    const wire::Container row = row_of(daemon, cgroup);
    CHECK(*row.memory_cache_bytes - *base.memory_cache_bytes == touched * page);
    CHECK(distance(*row.memory_cache_bytes, cgroup.read_table("memory", "memory.stat").at("total_cache")) <=
          late_pages * page);
    // Shared memory is on the anonymous lists: no inactive file, all of it is working set.
    CHECK(row.memory_working_set_bytes == row.memory_usage_bytes);
  }
}

TEST_CASE("A container's memory has that of the cgroups inside it", "[memory.stat][nested]") {
  const Daemon daemon;
  const TestCgroup cgroup('5');
  const TestCgroup nested('5', "/nested");
  Workload workload(nested);
  workload.touch_anonymous(1);
  const std::uint64_t base = *row_of(daemon, cgroup).memory_rss_bytes;
  workload.touch_anonymous(17);
  CHECK(*row_of(daemon, cgroup).memory_rss_bytes - base == 17 * page);
}
