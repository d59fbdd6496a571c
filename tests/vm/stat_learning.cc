#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <memory>

#include "tests/vm/loop_device.h"
#include "tests/vm/memory_rows.h"
#include "userspace/bpf/kernel_facts.h"

using namespace katameter;

namespace {

// A kernel without CONFIG_KALLSYMS_ALL, as far as anyone can see.
class HiddenSymbols {
 public:
  HiddenSymbols() { REQUIRE(mount("/dev/null", "/proc/kallsyms", nullptr, MS_BIND, nullptr) == 0); }
  ~HiddenSymbols() { umount("/proc/kallsyms"); }
  HiddenSymbols(const HiddenSymbols&) = delete;
  HiddenSymbols& operator=(const HiddenSymbols&) = delete;
};

}  // namespace

TEST_CASE("memory v2: without the kernel's symbols the figures of memory.stat are found by what they are",
          "[memory.stat][.v2]") {
  const LoopDevice device;
  const TestCgroup cgroup('2');
  Workload workload(cgroup);
  workload.touch_anonymous(777);
  workload.touch_file(123);
  // The page cache of a block device; read again, it is active.
  const Fd buffered(open(("/dev/loop" + std::to_string(device.minor())).c_str(), O_RDONLY | O_CLOEXEC));
  Workload reader(cgroup);
  reader.read_device(buffered.get(), 1, 4 << 20);
  reader.read_device(buffered.get(), 1, 1 << 20);

  const wire::Container known = memory_row(Daemon(), cgroup);
  auto hidden = std::make_unique<HiddenSymbols>();
  REQUIRE(read_kernel_facts().events_index == 0);
  const wire::Container learned = memory_row(Daemon(), cgroup);
  hidden.reset();
  // What is not quite at rest goes from one of these to the other.
  const wire::Container known_after = memory_row(Daemon(), cgroup);

  CHECK(*learned.memory_rss_bytes >= 777 * page_bytes);
  CHECK(*learned.memory_mapped_file_bytes >= 123 * page_bytes);
  CHECK(*learned.memory_inactive_file_bytes + *learned.memory_active_file_bytes >= 4 << 20);
  // Pages of the cache wait on the CPUs for their place in a list, the kernel's own memory is never quite at rest.
  constexpr std::uint64_t waiting = 64 * page_bytes;
  constexpr std::uint64_t restless = 8 * page_bytes;
  const auto check = [&](const char* name, wire::Figure wire::Container::*figure, std::uint64_t apart) {
    INFO(name);
    REQUIRE((known.*figure && learned.*figure && known_after.*figure));
    const auto [least, most] = std::minmax(*(known.*figure), *(known_after.*figure));
    INFO(name << ": by symbols " << least << " to " << most << ", learned " << *(learned.*figure));
    CHECK(least <= *(learned.*figure) + apart);
    CHECK(*(learned.*figure) <= most + apart);
  };
  check("rss", &wire::Container::memory_rss_bytes, 0);
  check("cache", &wire::Container::memory_cache_bytes, 0);
  check("mapped file", &wire::Container::memory_mapped_file_bytes, 0);
  check("inactive file", &wire::Container::memory_inactive_file_bytes, waiting);
  check("active file", &wire::Container::memory_active_file_bytes, waiting);
  check("working set", &wire::Container::memory_working_set_bytes, waiting);
  // Since 5.18.
  if (cgroup.read_table("memory", "memory.stat").contains("kernel")) {
    check("kernel", &wire::Container::memory_kernel_bytes, restless);
  } else {
    CHECK(!known.memory_kernel_bytes);
    CHECK(!learned.memory_kernel_bytes);
  }
  check("page faults", &wire::Container::page_faults, 0);
  check("major page faults", &wire::Container::major_page_faults, 0);
}
