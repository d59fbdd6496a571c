#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/loop_device.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// A CPU hands in at more than 32 pages, so memory.stat may be late by that on each CPU of the guest and in each cgroup.
std::uint64_t lateness_of(std::size_t figure, bool unified) {
  if (stat_of(figure, unified) < 0) return 0;
  return is_counter(wire::container_figures[figure].kind) ? 2000 : 200 * page;
}

// Limits other than any that a kernel sets by itself, and a little of all that is counted.
void set_limits(const TestCgroup& cgroup) {
  const auto write_if_there = [&](const char* controller, const char* file, const char* text) {
    if (cgroup.has(controller, file)) cgroup.write(controller, file, text);
  };
  write_if_there("cpu", "cpu.cfs_period_us", "50000");
  write_if_there("cpu", "cpu.cfs_quota_us", "20000");
  write_if_there("cpu", "cpu.max", "20000 50000");
  write_if_there("cpu", "cpu.cfs_burst_us", "10000");
  write_if_there("cpu", "cpu.max.burst", "10000");
  write_if_there("cpu", "cpu.shares", "777");
  write_if_there("cpu", "cpu.weight", "77");
  write_if_there("pids", "pids.max", "77");
  write_if_there("memory", "memory.limit_in_bytes", "134217728");
  write_if_there("memory", "memory.max", "134217728");
  write_if_there("memory", "memory.swap.max", "33554432");
  write_if_there("memory", "memory.soft_limit_in_bytes", "33554432");
  write_if_there("memory", "memory.min", "4194304");
}

// What a row says in the form of the files: a limit that is not set has a value.
wire::Figure as_in_file(const wire::Container& row, std::size_t figure) {
  const wire::ContainerFigure& of = wire::container_figures[figure];
  const wire::Figure& value = row.*of.value;
  return !value && of.kind == FigureKind::limit ? wire::Figure(no_limit) : value;
}

// Each of these figures of which the kernel has a file: how many.
std::size_t compare_with_files(const Daemon& daemon, const TestCgroup& cgroup, const FigureSet& figures) {
  const CgroupDirectories directories = directories_of(cgroup);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < figure::count; ++i) {
    const bool unified = is_unified(directories, i);
    const FigureFile& file = file_of(i, unified);
    // The working set has no file; its row names what it is without.
    if (!figures.has(i) || file.name == nullptr || i == figure::memory_working_set_bytes) continue;
    FigureSet only;
    only.add(i);
    const std::uint64_t apart = lateness_of(i, unified);
    std::string said;
    bool same = false;
    // Again if it moved, there and back even.
    for (int attempt = 0; attempt < 20 && !same; ++attempt) {
      if (attempt > 0) usleep(20'000);
      const auto before = read_kernel_files(directories, only);
      const wire::Figure ours = as_in_file(row_of(daemon, cgroup.id()), i);
      const auto after = read_kernel_files(directories, only);
      REQUIRE((before && after));
      const auto low = (*before)[i];
      const auto high = (*after)[i];
      if (!low || !high) {
        // Such a kernel has no such file; the peak is counted all the same.
        same = !ours || i == figure::memory_peak_bytes;
        continue;
      }
      const auto [least, most] = std::minmax(*low, *high);
      const std::uint64_t lowest = least - std::min(least, apart);
      const std::uint64_t highest = most == no_limit ? most : most + apart + grain_of(file) - 1;
      same = ours && *ours >= lowest && *ours <= highest;
      said = std::to_string(least) + " to " + std::to_string(most) + ", ours " + (ours ? std::to_string(*ours) : "-");
      if (same) ++compared;
    }
    INFO(wire::container_figures[i].name << ": " << file.name << " " << file.key << " " << said);
    CHECK(same);
  }
  return compared;
}

}  // namespace

TEST_CASE("Each figure that the kernel shows in a file lies between two reads of the file",
          "[any][cpu][cfs][threads][memory][memory.stat]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('3');
  set_limits(cgroup);
  Workload workload(cgroup);
  workload.burn_cpu_ms(100);
  workload.burn_system_ms(30);
  workload.touch_anonymous(1777);
  workload.touch_file(923);
  workload.read_file(3000);
  // Huge pages have figures only once there are some (hugetlb.cc).
  FigureSet figures = FigureSet::all();
  figures.remove(FigureGroup::hugetlb);
  const std::size_t compared = compare_with_files(daemon, cgroup, figures);
  CHECK(compared >= 20);
  const wire::Container row = row_of(daemon, cgroup.id());
  REQUIRE((row.memory_usage_bytes && row.memory_inactive_file_bytes));
  CHECK(row.memory_working_set_bytes == *row.memory_usage_bytes - *row.memory_inactive_file_bytes);
}

TEST_CASE("What is dirty, shared, anonymous and the kernel's own is what the files say, and what was reclaimed",
          "[any][memory][memory.stat]") {
  const LoopDevice device;
  const Fd buffered(open(("/dev/loop" + std::to_string(device.minor())).c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(buffered);
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('4');
  // With cgroup v2 there is no file for it before 6.15: memory.events counts other occasions.
  FigureSet figures{FigureGroup::memory};
  figures.remove(figure::memory_failcnt);
  Workload workload(cgroup);
  workload.touch_anonymous(1000);
  workload.touch_file(500);
  workload.write_device(buffered.get(), 1, 4 << 20);
  wire::Container row = row_of(daemon, cgroup.id());
  CHECK(row.memory_dirty_bytes > 1u << 20);
  CHECK(row.memory_shmem_bytes >= 500 * page);
  REQUIRE((row.memory_inactive_anon_bytes && row.memory_active_anon_bytes));
  CHECK(*row.memory_inactive_anon_bytes + *row.memory_active_anon_bytes >= 1400 * page);
  CHECK(row.memory_unevictable_bytes == 0);
  if (is_v1(cgroup)) {
    CHECK_FALSE(row.memory_high_events);
    CHECK_FALSE(row.memory_slab_reclaimable_bytes);
    compare_with_files(daemon, cgroup, figures);
    return;
  }
  // How much there is of the kernel's own depends on where the workload was forked.
  CHECK((row.memory_slab_unreclaimable_bytes && row.memory_kernel_stack_bytes));
  CHECK(row.memory_high_events == 0);
  compare_with_files(daemon, cgroup, figures);

  // What was read of the device goes for what is read of the file, and comes back.
  cgroup.write("memory", "memory.high", "16777216");
  workload.read_file(6000);
  cgroup.write("memory", "memory.high", "max");
  cgroup.write("memory", "memory.max", "16777216");
  workload.read_file(6000);
  workload.read_device(buffered.get(), 1, 4 << 20);
  compare_with_files(daemon, cgroup, figures);
  row = row_of(daemon, cgroup.id());
  CHECK(row.memory_high_events > 0);
  CHECK(row.memory_max_events > 0);
  CHECK(row.memory_scanned_pages >= 1000);
  CHECK(row.memory_reclaimed_pages >= 1000);
  CHECK(row.memory_reclaimed_pages <= row.memory_scanned_pages);
  CHECK(row.memory_refaults_file > 0);
}
