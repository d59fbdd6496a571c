#include "tests/vm/memory_rows.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : b - a;
}

// A CPU hands in at more than 32, so memory.stat may be late by that on each of the guest's two CPUs.
constexpr std::uint64_t late_bytes = 64 * page_bytes;

}  // namespace

TEST_CASE("Page faults are exact: what the process itself counted is the witness", "[both][memory.stat]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  workload.touch_anonymous(1);
  // Anonymous ones: a fault on a shared file may be tried twice (mm/memory.c, fault_dirty_shared_page), which the
  // kernel counts as two for the cgroup and as one, and major, for the process.
  for (const std::size_t pages : {1u, 31u, 32u, 33u, 1234u, 7u}) {
    const wire::Container row = memory_row(daemon, cgroup);
    const Faults before = faults_of(workload);
    workload.touch_anonymous(pages);
    const wire::Container after_row = memory_row(daemon, cgroup);
    const Faults after = faults_of(workload);
    REQUIRE((row.page_faults && row.major_page_faults));
    CHECK(*after_row.page_faults - *row.page_faults == after.minor - before.minor + after.major - before.major);
    CHECK(*after_row.page_faults - *row.page_faults >= pages);
    CHECK(*after_row.major_page_faults - *row.major_page_faults == after.major - before.major);
  }
}

TEST_CASE("A mapped file is mapped to the page", "[memory.stat]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  workload.touch_file(1);
  const std::uint64_t base = *memory_row(daemon, cgroup).memory_mapped_file_bytes;
  std::uint64_t touched = 0;
  for (const std::size_t pages : {1u, 31u, 33u, 500u}) {
    workload.touch_file(pages);
    touched += pages;
    const std::uint64_t ours = *memory_row(daemon, cgroup).memory_mapped_file_bytes;
    CHECK(ours - base == touched * page_bytes);
    CHECK(distance(ours, cgroup.read_table("memory", "memory.stat").at("total_mapped_file")) <= late_bytes);
  }
}

TEST_CASE(
    "File pages that were read are inactive, and active when they were read again; the working set has the latter",
    "[memory.stat]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  for (int round = 0; round < 3; ++round) {
    workload.read_file(2000);
    const wire::Container row = memory_row(daemon, cgroup);
    const auto stat = cgroup.read_table("memory", "memory.stat");
    REQUIRE((row.memory_inactive_file_bytes && row.memory_active_file_bytes));
    CHECK(distance(*row.memory_inactive_file_bytes, stat.at("total_inactive_file")) <= late_bytes);
    CHECK(distance(*row.memory_active_file_bytes, stat.at("total_active_file")) <= late_bytes);
    CHECK(*row.memory_inactive_file_bytes + *row.memory_active_file_bytes >= 1000 * page_bytes);
    CHECK(*row.memory_working_set_bytes == *row.memory_usage_bytes - *row.memory_inactive_file_bytes);
  }
}

TEST_CASE("Swap limit, reservation and kernel memory are the files'", "[memory]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  CHECK_FALSE(memory_row(daemon, cgroup).memory_swap_limit_bytes);
  CHECK_FALSE(memory_row(daemon, cgroup).memory_reservation_bytes);
  cgroup.write("memory", "memory.limit_in_bytes", "67108864");
  cgroup.write("memory", "memory.memsw.limit_in_bytes", "100663296");
  cgroup.write("memory", "memory.soft_limit_in_bytes", "33554432");
  Workload workload(cgroup);
  workload.touch_anonymous(100);
  const std::uint64_t kernel_before = cgroup.read("memory", "memory.kmem.usage_in_bytes");
  const wire::Container row = memory_row(daemon, cgroup);
  const std::uint64_t kernel_after = cgroup.read("memory", "memory.kmem.usage_in_bytes");
  CHECK(row.memory_swap_limit_bytes == 100663296);
  CHECK(row.memory_reservation_bytes == 33554432);
  CHECK(row.memory_swap_bytes == cgroup.read_table("memory", "memory.stat").at("total_swap"));
  REQUIRE(row.memory_kernel_bytes);
  CHECK(kernel_before > 0);
  CHECK(*row.memory_kernel_bytes >= std::min(kernel_before, kernel_after));
  CHECK(*row.memory_kernel_bytes <= std::max(kernel_before, kernel_after));
}
