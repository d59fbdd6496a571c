#include <sys/wait.h>

#include <cstdlib>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/memory_rows.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// Whether BTF has the name of a field or type. By another process: BTF takes megabytes, which the victims of later tests
// would inherit and which their sizes would include.
bool kernel_types_have(const std::string& name) {
  const int status = std::system(("grep -qazx " + name + " /sys/kernel/btf/vmlinux").c_str());
  REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 1));
  return WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("Usage, peak and limit are the files' of the same moment", "[both][memory]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('2');
  limit_memory(cgroup, 64 * mebibyte);
  Workload workload(cgroup);
  for (const std::size_t pages : {1u, 100u, 777u, 3000u}) {
    workload.touch_anonymous(pages);
    // A page may still be given back from a CPU's list; what is compared is a moment at which the file stood still.
    std::uint64_t usage_before = 0;
    std::uint64_t usage_after = 1;
    wire::Container row;
    for (int attempt = 0; attempt < 20 && usage_before != usage_after; ++attempt) {
      usage_before = read_memory(cgroup, MemoryFile::usage);
      row = row_of(daemon, cgroup.id());
      usage_after = read_memory(cgroup, MemoryFile::usage);
    }
    REQUIRE(usage_before == usage_after);
    CHECK(row.memory_usage_bytes == usage_before);
    CHECK(row.memory_peak_bytes >= row.memory_usage_bytes);
    if (const auto peak = read_memory_peak(cgroup)) CHECK(row.memory_peak_bytes == *peak);
    CHECK(row.memory_limit_bytes == 64 * mebibyte);
    CHECK(row.memory_failcnt == 0);
    CHECK(row.oom_kills == 0);
  }
}

TEST_CASE("A peak that no sample saw is reported", "[both][memory]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('2');
  {
    Workload brief(cgroup);
    brief.touch_anonymous(4000);
  }
  const wire::Container row = row_of(daemon, cgroup.id());
  CHECK(*row.memory_peak_bytes >= 4000 * page);
  CHECK(*row.memory_usage_bytes < 1000 * page);
  if (const auto peak = read_memory_peak(cgroup)) CHECK(row.memory_peak_bytes == *peak);
}

TEST_CASE("Swap, and the limits that are set, are the files'; a limit that is not set has no figure",
          "[both][memory]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('2');
  wire::Container row = row_of(daemon, cgroup.id());
  CHECK_FALSE(row.memory_limit_bytes);
  CHECK_FALSE(row.memory_swap_limit_bytes);
  // v2 has no reservation as one of 0.
  CHECK(row.memory_reservation_bytes == (is_v1(cgroup) ? wire::Figure() : wire::Figure(0)));
  limit_memory(cgroup, 64 * mebibyte);
  write_memory(cgroup, MemoryFile::swap_limit, 96 * mebibyte);
  write_memory(cgroup, MemoryFile::reservation, 32 * mebibyte);
  Workload workload(cgroup);
  workload.touch_anonymous(100);
  row = row_of(daemon, cgroup.id());
  CHECK(row.memory_limit_bytes == 64 * mebibyte);
  CHECK(row.memory_swap_limit_bytes == 96 * mebibyte);
  CHECK(row.memory_reservation_bytes == 32 * mebibyte);
  CHECK(row.memory_swap_bytes == read_memory(cgroup, MemoryFile::swap));
}

// v1 alone: in v2 it is in memory.stat, which is late by some pages (kernel_files.cc compares that).
TEST_CASE("Kernel memory is the file's", "[memory]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  workload.touch_anonymous(100);
  const std::uint64_t before = cgroup.read("memory", "memory.kmem.usage_in_bytes");
  const wire::Container row = row_of(daemon, cgroup.id());
  const std::uint64_t after = cgroup.read("memory", "memory.kmem.usage_in_bytes");
  REQUIRE(row.memory_kernel_bytes);
  CHECK(before > 0);
  CHECK(*row.memory_kernel_bytes >= std::min(before, after));
  CHECK(*row.memory_kernel_bytes <= std::max(before, after));
}

// v2 alone: its file is not made from the counter that v1's is, and they differ before 6.15.
TEST_CASE("memory v2: failcnt is what memory.events says of a cgroup that was at its limit", "[memory][.v2]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('2');
  limit_memory(cgroup, 8 * mebibyte);
  Workload workload(cgroup);
  workload.read_file(4000);  // the page cache meets the limit, and is reclaimed
  const std::uint64_t before = cgroup.read_table("memory", "memory.events").at("max");
  const wire::Container row = row_of(daemon, cgroup.id());
  const std::uint64_t after = cgroup.read_table("memory", "memory.events").at("max");
  REQUIRE(row.memory_failcnt);
  CHECK(before > 0);
  // Before 6.15 the counter has a tried charge of several pages as well, which is tried once more with fewer.
  CHECK(*row.memory_failcnt >= before);
  if (kernel_types_have("track_failcnt")) CHECK(*row.memory_failcnt <= after);
}
