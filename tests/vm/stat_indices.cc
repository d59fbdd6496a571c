#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "guest-probe/account/figure_sources.h"
#include "guest-probe/bpf/facts.h"
#include "guest-probe/self_check/stat_indices.h"
#include "tests/vm/loop_device.h"
#include "tests/vm/memory_rows.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// Something lies over a file, as far as anyone can see.
class Hidden {
 public:
  explicit Hidden(std::string file) : file_(std::move(file)) {
    INFO(file_);
    REQUIRE(mount("/dev/null", file_.c_str(), nullptr, MS_BIND, nullptr) == 0);
  }
  ~Hidden() { umount2(file_.c_str(), MNT_DETACH); }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;

 private:
  std::string file_;
};

// As in a kernel without CONFIG_KALLSYMS_ALL, no address can be had.
class HiddenSymbols {
 public:
  HiddenSymbols() { restrict("2"); }
  ~HiddenSymbols() { restrict("0"); }
  HiddenSymbols(const HiddenSymbols&) = delete;
  HiddenSymbols& operator=(const HiddenSymbols&) = delete;

 private:
  static void restrict(const char* level) { std::ofstream("/proc/sys/kernel/kptr_restrict") << level << std::flush; }
};

std::string memory_root() {
  return read_kernel_facts().memory_mount;
}

bool is_missing(const Dump& dump, const std::string& name) {
  return std::count(dump.hello.lacks.begin(), dump.hello.lacks.end(), name) > 0;
}

// Those whose place is in a table; to be asked while that can be seen.
std::vector<const char*> resolved_figures() {
  const KernelFacts facts = read_kernel_facts();
  std::vector<const char*> figures;
  if (facts.events_index != 0) figures.push_back("page_faults");
  if (facts.stats_index == 0) return figures;
  for (const char* figure : {"memory_rss_bytes", "memory_cache_bytes", "memory_working_set_bytes"}) {
    figures.push_back(figure);
  }
  return figures;
}

// Anonymous, mapped and only read pages, each of another number.
void use_every_kind(Workload& workload) {
  workload.touch_anonymous(1777);
  workload.touch_file(923);
  workload.read_file(3000);
}

// A cgroup of an earlier test would have the controllers, and figures.
void leave_nothing_below_the_root() {
  rmdir((memory_root() + "/cri-containerd").c_str());
}

// As the Kata agent leaves cgroup v2 at boot: TestCgroup enables them with the first container.
void disable_controllers() {
  leave_nothing_below_the_root();
  std::ifstream enabled(memory_root() + "/cgroup.subtree_control");
  for (std::string controller; enabled >> controller;) {
    std::ofstream control(memory_root() + "/cgroup.subtree_control");
    control << "-" << controller << std::flush;
    INFO(controller);
    REQUIRE(control);
  }
}

void check_like_files(const wire::Container& row, const TestCgroup& cgroup) {
  const auto stat = cgroup.read_table("memory", "memory.stat");
  const auto near = [&](const wire::Figure& figure, const char* line) {
    INFO(line);
    REQUIRE(figure);
    INFO(*figure << " and " << stat.at(line));
    CHECK(*figure <= stat.at(line) + 200 * page);
    CHECK(stat.at(line) <= *figure + 200 * page);
  };
  near(row.memory_rss_bytes, "anon");
  near(row.memory_cache_bytes, "file");
  near(row.memory_inactive_file_bytes, "inactive_file");
  REQUIRE(row.page_faults);
  CHECK(*row.page_faults + 2000 >= stat.at("pgfault"));
  CHECK(*row.page_faults <= stat.at("pgfault"));
  REQUIRE((row.memory_usage_bytes && row.memory_working_set_bytes));
  CHECK(*row.memory_working_set_bytes == *row.memory_usage_bytes - *row.memory_inactive_file_bytes);
}

}  // namespace

// All of these are of v2 alone, in which a guest begins without the memory controller below the root: v1 always has it.
TEST_CASE("memory v2: without the kernel's symbols the figures of memory.stat are found by what they are",
          "[memory.stat][.v2]") {
  const LoopDevice device;
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  workload.touch_anonymous(777);
  workload.touch_file(123);
  // The page cache of a block device; read again, it is active. The multi-generational LRU, which 7.3 has switched on,
  // leaves it inactive.
  std::ofstream("/sys/kernel/mm/lru_gen/enabled") << "n";
  const Fd buffered(open(("/dev/loop" + std::to_string(device.minor())).c_str(), O_RDONLY | O_CLOEXEC));
  Workload reader(cgroup);
  reader.read_device(buffered.get(), 1, 4 << 20);
  reader.read_device(buffered.get(), 1, 1 << 20);

  const wire::Container known = row_of(Daemon(), cgroup.id());
  auto hidden = std::make_unique<HiddenSymbols>();
  REQUIRE(read_kernel_facts().events_index == 0);
  const wire::Container resolved = row_of(Daemon(), cgroup.id());
  hidden.reset();
  // What is not quite at rest goes from one of these to the other.
  const wire::Container known_after = row_of(Daemon(), cgroup.id());

  CHECK(*resolved.memory_rss_bytes >= 777 * page);
  CHECK(*resolved.memory_mapped_file_bytes >= 123 * page);
  CHECK(*resolved.memory_inactive_file_bytes + *resolved.memory_active_file_bytes >= 4 << 20);
  // Pages of the cache wait on the CPUs for their place in a list, the kernel's own memory is never quite at rest.
  constexpr std::uint64_t waiting = 64 * page;
  constexpr std::uint64_t restless = 8 * page;
  for (std::size_t i = 0; i < figure::count; ++i) {
    const wire::ContainerFigure& figure = wire::container_figures[i];
    if (stat_of(i, true) < 0) continue;
    INFO(figure.name);
    if (!(resolved.*figure.value)) {
      // Of which no cgroup has any, or which is a sum.
      const bool is_sum = !is_resolvable(static_cast<std::size_t>(stat_of(i, true)));
      CHECK((is_sum || (known.*figure.value).value_or(0) == 0));
      continue;
    }
    // Since 5.18.
    if (i == figure::memory_kernel_bytes && !cgroup.read_table("memory", "memory.stat").contains("kernel")) {
      CHECK((!known.memory_kernel_bytes && !resolved.memory_kernel_bytes));
      continue;
    }
    REQUIRE((known.*figure.value && resolved.*figure.value && known_after.*figure.value));
    const bool is_of_lists = stat_of(i, true) == STAT_INACTIVE_FILE || stat_of(i, true) == STAT_ACTIVE_FILE;
    const std::uint64_t apart = is_of_lists ? waiting : i == figure::memory_kernel_bytes ? restless : 0;
    const auto [least, most] = std::minmax(*(known.*figure.value), *(known_after.*figure.value));
    INFO("by symbols " << least << " to " << most << ", resolved " << *(resolved.*figure.value));
    CHECK(least <= *(resolved.*figure.value) + apart);
    CHECK(*(resolved.*figure.value) <= most + apart);
  }
}

TEST_CASE("memory v2: started before the memory controller is enabled, the first container has all figures, compared",
          "[memory.stat][.v2]") {
  disable_controllers();
  const HiddenSymbols hidden;
  const Daemon daemon;
  const Dump before = daemon.dump();
  CHECK(is_missing(before, "comparison with the files"));
  const TestCgroup cgroup('4');
  Workload workload(cgroup);
  use_every_kind(workload);
  check_like_files(row_of(daemon, cgroup.id()), cgroup);
  // Connected anew, the host gets what holds now.
  CHECK_FALSE(is_missing(daemon.dump(), "comparison with the files"));
  CHECK_FALSE(is_missing(daemon.dump(), "memory_working_set_bytes"));
}

TEST_CASE("memory v2: what nobody had at the start is resolved from the first container, and from nothing else",
          "[memory.stat][.v2]") {
  const std::vector<const char*> figures = resolved_figures();
  disable_controllers();
  const HiddenSymbols hidden;
  const Hidden root(memory_root() + "/memory.stat");
  const Daemon daemon;
  const Dump before = daemon.dump();
  for (const char* figure : figures) {
    INFO(figure);
    CHECK(is_missing(before, figure));
  }
  const TestCgroup cgroup('4');
  Workload workload(cgroup);
  use_every_kind(workload);
  check_like_files(row_of(daemon, cgroup.id()), cgroup);
  const Dump after = daemon.dump();
  for (const char* figure : figures) {
    INFO(figure);
    CHECK_FALSE(is_missing(after, figure));
  }
}

TEST_CASE("memory v2: a container that ended before its figures were known has none of them, and no 0",
          "[memory.stat][.v2]") {
  const KernelFacts facts = read_kernel_facts();
  const bool resolves_events = facts.events_index != 0;
  const bool resolves_pages = facts.stats_index != 0;
  disable_controllers();
  const HiddenSymbols hidden;
  const Hidden root(memory_root() + "/memory.stat");
  const Daemon daemon;
  daemon.dump();
  {
    TestCgroup ended('5');
    {
      Workload workload(ended);
      workload.touch_anonymous(500);
    }
    ended.remove();
  }
  const TestCgroup cgroup('4');
  Workload workload(cgroup);
  use_every_kind(workload);
  const Dump dump = daemon.dump();
  const auto ended = Daemon::find(dump, std::string(64, '5'));
  const auto living = Daemon::find(dump, cgroup.id());
  REQUIRE((ended && living));
  CHECK(ended->removed);
  CHECK(ended->memory_peak_bytes);
  if (resolves_events) CHECK_FALSE(ended->page_faults);
  if (resolves_pages) CHECK_FALSE(ended->memory_rss_bytes);
  CHECK(living->page_faults);
  CHECK(living->memory_rss_bytes);
}

TEST_CASE("memory v2: in a guest that has no page of a file, the start still resolves where the inactive ones are",
          "[memory.stat][.v2]") {
  const bool resolves_pages = read_kernel_facts().stats_index != 0;
  { const TestCgroup enables('4'); }
  leave_nothing_below_the_root();
  const HiddenSymbols hidden;
  const Hidden root(memory_root() + "/memory.stat");
  const Daemon daemon;
  const Dump dump = daemon.dump();
  CHECK_FALSE(is_missing(dump, "memory_working_set_bytes"));
  CHECK_FALSE(is_missing(dump, "memory_rss_bytes"));
  CHECK_FALSE(is_missing(dump, "comparison with the files"));
  if (resolves_pages) CHECK(is_missing(dump, "memory_active_file_bytes"));  // of these there are none
}
