#include <unistd.h>

#include <array>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/memory_rows.h"

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("Page faults are exact: what the process itself counted is the witness", "[both][memory.stat]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  workload.touch_anonymous(1);
  // Anonymous ones: a fault on a shared file may be tried twice (mm/memory.c, fault_dirty_shared_page), which the
  // kernel counts as two for the cgroup and as one, and major, for the process.
  for (const std::size_t pages : {1u, 31u, 32u, 33u, 1234u, 7u}) {
    const wire::Container row = row_of(daemon, cgroup.id());
    const Faults before = faults_of(workload);
    workload.touch_anonymous(pages);
    const wire::Container after_row = row_of(daemon, cgroup.id());
    const Faults after = faults_of(workload);
    REQUIRE((row.page_faults && row.major_page_faults));
    CHECK(*after_row.page_faults - *row.page_faults == after.minor - before.minor + after.major - before.major);
    CHECK(*after_row.page_faults - *row.page_faults >= pages);
    CHECK(*after_row.major_page_faults - *row.major_page_faults == after.major - before.major);
  }
}

TEST_CASE("rss, cache and mapped file are right to the page: the pages that the process touched are the witness",
          "[both][memory.stat]") {
  struct Value {
    MemoryFile file;
    wire::Figure wire::Container::*figure;
    std::uint64_t touched = 0;
  };
  std::array values{Value{MemoryFile::rss, &wire::Container::memory_rss_bytes},
                    Value{MemoryFile::cache, &wire::Container::memory_cache_bytes},
                    Value{MemoryFile::mapped_file, &wire::Container::memory_mapped_file_bytes}};
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('3');
  Workload workload(cgroup);
  workload.touch_anonymous(1);
  workload.touch_file(1);
  const wire::Container base = row_of(daemon, cgroup.id());
  for (const std::size_t pages : {1u, 2u, 31u, 32u, 33u, 5u, 64u, 1000u, 7u, 1u, 1u, 13u}) {
    const std::size_t file_pages = pages + 1;
    workload.touch_anonymous(pages);
    workload.touch_file(file_pages);
    const wire::Container row = row_of(daemon, cgroup.id());
    for (Value& value : values) {
      value.touched += (value.file == MemoryFile::rss ? pages : file_pages) * page;
      const std::uint64_t ours = *(row.*value.figure);
      INFO("value " << &value - values.data() << " after " << pages << " pages");
      CHECK(ours - *(base.*value.figure) == value.touched);
      CHECK(is_near(ours, read_memory(cgroup, value.file)));
    }
    // Shared memory is on the anonymous lists: all of it is working set.
    CHECK(row.memory_inactive_file_bytes == 0);
    CHECK(row.memory_working_set_bytes == row.memory_usage_bytes);
  }
}

TEST_CASE(
    "File pages that were read are inactive, and active when they were read again; the working set has the latter",
    "[both][memory.stat]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  for (int round = 0; round < 3; ++round) {
    workload.read_file(2000);
    const wire::Container row = row_of(daemon, cgroup.id());
    REQUIRE((row.memory_inactive_file_bytes && row.memory_active_file_bytes));
    CHECK(is_near(*row.memory_inactive_file_bytes, read_memory(cgroup, MemoryFile::inactive_file)));
    CHECK(is_near(*row.memory_active_file_bytes, read_memory(cgroup, MemoryFile::active_file)));
    CHECK(*row.memory_inactive_file_bytes + *row.memory_active_file_bytes >= 1000 * page);
    CHECK(*row.memory_working_set_bytes == *row.memory_usage_bytes - *row.memory_inactive_file_bytes);
  }
}

TEST_CASE("A container has the memory of the cgroups inside it, once", "[both][memory.stat][nested]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('5');
  std::uint64_t faults = 0;
  {
    const TestCgroup nested('5', "/nested", TestCgroup::Inside::with_controllers);
    Workload workload(nested);
    workload.touch_anonymous(1);
    const std::uint64_t base = *row_of(daemon, cgroup.id()).memory_rss_bytes;
    workload.touch_anonymous(17);
    const wire::Container row = row_of(daemon, cgroup.id());
    CHECK(*row.memory_rss_bytes - base == 17 * page);
    faults = *row.page_faults;
    // Any reader's flush moves the figures between the kernel's arrays; not a page is to be lost or doubled by it.
    cgroup.read_table("memory", "memory.stat");
    CHECK(*row_of(daemon, cgroup.id()).memory_rss_bytes - base == 17 * page);
    sleep(3);  // the kernel itself flushes every two seconds
    CHECK(*row_of(daemon, cgroup.id()).memory_rss_bytes - base == 17 * page);
  }
  CHECK(*row_of(daemon, cgroup.id()).page_faults >= faults);
}
