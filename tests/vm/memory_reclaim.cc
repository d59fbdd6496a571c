#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/memory_rows.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t limit_bytes = 16u << 20;
// Anonymous pages that are mapped, bytes; with those that it has in common with the test, which are not its cgroup's.
// A small kernel does not show it (CONFIG_PROC_PAGE_MONITOR).
std::optional<std::uint64_t> anonymous_bytes(const Workload& workload) {
  std::ifstream file("/proc/" + std::to_string(workload.pid()) + "/smaps_rollup");
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == "Anonymous:" && file >> kib) return kib * 1024;
  }
  return std::nullopt;
}

std::uint64_t rss_of(HostPeer& host, const TestCgroup& cgroup) {
  const auto row = find_container(host.collect(), cgroup.id());
  REQUIRE(row);
  REQUIRE(row->memory_rss_bytes);
  return *row->memory_rss_bytes;
}

// 64 MiB of swap on a file in memory, which every guest can have; its pages are there before they are needed.
class Swap {
 public:
  Swap() {
    run("modprobe -q loop; dd if=/dev/zero of=/dev/shm/swap bs=1M count=64 2>/dev/null && mkswap -q /dev/shm/swap && "
        "losetup /dev/loop0 /dev/shm/swap && swapon /dev/loop0");
  }
  Swap(const Swap&) = delete;
  Swap& operator=(const Swap&) = delete;
  ~Swap() { run("swapoff /dev/loop0; losetup -d /dev/loop0; rm /dev/shm/swap"); }

 private:
  static void run(const std::string& command) {
    INFO(command);
    CHECK(std::system(("( " + command + " ) >&2").c_str()) == 0);
  }
};

}  // namespace

TEST_CASE("Page cache grows up to the limit and is reclaimed there: usage, cache and failcnt stay the kernel's",
          "[any][memory][memory.stat]") {
  // It is on the share of the host, so that its pages can be dropped and read again.
  struct stat file {};
  REQUIRE(stat(LARGE_FILE, &file) == 0);
  REQUIRE(static_cast<std::uint64_t>(file.st_size) > 2 * limit_bytes);
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  const TestCgroup cgroup('3');
  limit_memory(cgroup, limit_bytes);
  Workload workload(cgroup);
  std::uint64_t largest = 0;
  for (const std::size_t pages : {500u, 1000u, 2000u, 4000u, 8000u, 8000u}) {
    workload.read_file(pages);
    const std::uint64_t usage_before = read_memory(cgroup, MemoryFile::usage);
    const auto row = find_container(host.collect(), cgroup.id());
    const std::uint64_t usage_after = read_memory(cgroup, MemoryFile::usage);
    REQUIRE(row);
    CHECK(*row->memory_usage_bytes >= std::min(usage_before, usage_after));
    CHECK(*row->memory_usage_bytes <= std::max(usage_before, usage_after));
    CHECK(*row->memory_usage_bytes <= limit_bytes);
    CHECK(is_near(*row->memory_cache_bytes, read_memory(cgroup, MemoryFile::cache)));
    CHECK(is_near(*row->memory_inactive_file_bytes, read_memory(cgroup, MemoryFile::inactive_file)));
    CHECK(*row->memory_working_set_bytes == *row->memory_usage_bytes - *row->memory_inactive_file_bytes);
    if (is_v1(cgroup)) CHECK(row->memory_failcnt == cgroup.read("memory", "memory.failcnt"));
    largest = std::max(largest, *row->memory_cache_bytes);
  }
  CHECK(largest > limit_bytes / 2);
  const auto row = find_container(host.collect(), cgroup.id());
  CHECK(*row->memory_peak_bytes <= limit_bytes);
  CHECK(*row->memory_peak_bytes > limit_bytes - late_bytes);
  CHECK(row->oom_kills == 0);
}

TEST_CASE("What was swapped out is swap and no longer rss", "[any][memory][swap]") {
  const Swap swap;
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  const TestCgroup cgroup('3');
  limit_memory(cgroup, limit_bytes);
  Workload workload(cgroup);
  workload.touch_anonymous(1);
  const std::uint64_t in_common = anonymous_bytes(workload).value_or(0) - rss_of(host, cgroup);
  for (int round = 0; round < 3; ++round) {
    workload.touch_anonymous(3000);
    const std::uint64_t swap_before = read_memory(cgroup, MemoryFile::swap);
    const auto row = find_container(host.collect(), cgroup.id());
    const std::uint64_t swap_after = read_memory(cgroup, MemoryFile::swap);
    REQUIRE(row);
    REQUIRE((row->memory_swap_bytes && row->memory_rss_bytes));
    const std::uint64_t late = is_v1(cgroup) ? late_bytes : 0;  // v1's file is memory.stat
    CHECK(*row->memory_swap_bytes + late >= std::min(swap_before, swap_after));
    CHECK(*row->memory_swap_bytes <= std::max(swap_before, swap_after) + late);
    if (const auto anonymous = anonymous_bytes(workload)) {
      // To the page, whichever of them the kernel chose to write out.
      CHECK(rss_of(host, cgroup) == *anonymous - in_common);
    } else {
      CHECK(is_near(rss_of(host, cgroup), read_memory(cgroup, MemoryFile::rss)));
    }
    CHECK(*row->memory_usage_bytes <= limit_bytes);
  }
  CHECK(*find_container(host.collect(), cgroup.id())->memory_swap_bytes > 16u << 20);
}
