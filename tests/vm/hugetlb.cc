#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t huge = 2 << 20;

wire::Container row_of(const Daemon& daemon, const TestCgroup& cgroup) {
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  return *row;
}

bool is_of_2mb(std::size_t figure) {
  return figure == figure::hugetlb_2mb_usage_bytes || figure == figure::hugetlb_2mb_peak_bytes ||
         figure == figure::hugetlb_2mb_failcnt;
}

// Pages of 2 MiB that the guest has ready, for the life of the object.
class HugePages {
 public:
  explicit HugePages(std::size_t pages) {
    write(pages);
    std::size_t there = 0;
    REQUIRE(std::ifstream(file) >> there);
    REQUIRE(there == pages);
  }
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;
  ~HugePages() { write(0); }
  static bool can_be() {
    const auto& there = TestCgroup::controllers();
    return std::filesystem::exists(file) && std::find(there.begin(), there.end(), "hugetlb") != there.end();
  }

 private:
  static constexpr const char* file = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
  static void write(std::size_t pages) { std::ofstream(file) << pages << std::flush; }
};

// Each figure of a row against its file, of all sizes: those that were never used have none. How many of 2 MiB are equal.
std::size_t compare_with_files(const wire::Container& row, const TestCgroup& cgroup) {
  const CgroupDirectories directories = directories_of(cgroup);
  const auto files = read_kernel_files(directories, FigureSet{FigureGroup::hugetlb});
  REQUIRE(files);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < figure::count; ++i) {
    const wire::ContainerFigure& figure = wire::container_figures[i];
    if (figure.group != FigureGroup::hugetlb) continue;
    INFO(figure.name);
    const wire::Figure& ours = row.*figure.value;
    if (!is_of_2mb(i)) {
      CHECK_FALSE(ours);
      CHECK((*files)[i].value_or(0) == 0);
    } else if ((*files)[i]) {
      CHECK(ours == *(*files)[i]);
      ++compared;
    }
  }
  return compared;
}

}  // namespace

TEST_CASE("Huge pages of a container are what the files of the hugetlb controller say", "[any][memory][hugetlb]") {
  if (!HugePages::can_be()) {
    const Daemon daemon;
    const TestCgroup cgroup('7');
    CHECK_FALSE(row_of(daemon, cgroup).hugetlb_2mb_usage_bytes);
    return;
  }
  const HugePages pages(8);
  const Daemon daemon;
  wire::Container row;
  TestCgroup cgroup('7');
  // v1 has three files of a size, v2 two: none of the peak.
  const std::size_t files = is_v1(cgroup) ? 3 : 2;
  {
    Workload first(cgroup);
    CHECK_FALSE(row_of(daemon, cgroup).hugetlb_2mb_usage_bytes);
    first.touch_huge_pages(3);
    row = row_of(daemon, cgroup);
    CHECK(compare_with_files(row, cgroup) == files);
    CHECK(row.hugetlb_2mb_usage_bytes == 3 * huge);
    CHECK(row.hugetlb_2mb_peak_bytes == 3 * huge);
    CHECK(row.hugetlb_2mb_failcnt == 0);

    const TestCgroup nested('7', "/nested");
    Workload inside(nested);
    inside.touch_huge_pages(2);
    row = row_of(daemon, cgroup);
    CHECK(compare_with_files(row, cgroup) == files);
    CHECK(row.hugetlb_2mb_usage_bytes == 5 * huge);

    // Above the limit it is killed by SIGBUS.
    cgroup.write("hugetlb", is_v1(cgroup) ? "hugetlb.2MB.limit_in_bytes" : "hugetlb.2MB.max", std::to_string(5 * huge));
    Workload above(cgroup);
    above.start_touching_huge_pages(1);
    const int status = above.wait_end();
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS));
    row = row_of(daemon, cgroup);
    CHECK(compare_with_files(row, cgroup) == files);
    CHECK(row.hugetlb_2mb_failcnt >= 1);
    CHECK(row.hugetlb_2mb_peak_bytes == 5 * huge);
  }
  const wire::Container ended = row_of(daemon, cgroup);
  CHECK(compare_with_files(ended, cgroup) == files);
  CHECK(ended.hugetlb_2mb_usage_bytes == 0);
  CHECK(ended.hugetlb_2mb_peak_bytes == 5 * huge);
  CHECK(ended.hugetlb_2mb_failcnt == row.hugetlb_2mb_failcnt);

  cgroup.remove();
  const wire::Container removed = row_of(daemon, cgroup);
  CHECK(removed.removed);
  CHECK(removed.hugetlb_2mb_peak_bytes == 5 * huge);
  CHECK(removed.hugetlb_2mb_failcnt == row.hugetlb_2mb_failcnt);
}

TEST_CASE("A container that is only ever refused huge pages has their failures", "[any][memory][hugetlb]") {
  if (!HugePages::can_be()) return;
  const HugePages pages(2);
  const Daemon daemon;
  const TestCgroup cgroup('7');
  cgroup.write("hugetlb", is_v1(cgroup) ? "hugetlb.2MB.limit_in_bytes" : "hugetlb.2MB.max", "0");
  Workload workload(cgroup);
  workload.start_touching_huge_pages(1);
  workload.wait_end();
  const wire::Container row = row_of(daemon, cgroup);
  CHECK(row.hugetlb_2mb_usage_bytes == 0);
  CHECK(row.hugetlb_2mb_failcnt >= 1);
  compare_with_files(row, cgroup);
}
