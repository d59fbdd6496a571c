#include <sys/wait.h>
#include <unistd.h>

#include "guest-probe/bpf/facts.h"
#include "tests/vm/memory_rows.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// Whether BTF has the name of a field or type.
bool kernel_types_have(const std::string& name) {
  std::ifstream file("/sys/kernel/btf/vmlinux", std::ios::binary);
  const std::string types(std::istreambuf_iterator<char>(file), {});
  REQUIRE_FALSE(types.empty());
  return types.find('\0' + name + '\0') != std::string::npos;
}

}  // namespace

// Hidden from a run without a name, which is a guest with cgroup v1: named "memory v2:*" in tests/vm/CMakeLists.txt.

TEST_CASE("memory v2: this guest has what the tests compare with", "[.v2]") {
  const KernelFacts facts = read_kernel_facts();
  REQUIRE(geteuid() == 0);
  REQUIRE(facts.may_load);
  REQUIRE(facts.btf);
  REQUIRE_FALSE(facts.memory_v1);
  REQUIRE_FALSE(facts.memory_mount.empty());
}

TEST_CASE("memory v2: usage, limit, reservation, swap and kills are the files' of the same moment", "[memory][.v2]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  CHECK_FALSE(memory_row(daemon, cgroup).memory_limit_bytes);
  CHECK_FALSE(memory_row(daemon, cgroup).memory_swap_limit_bytes);
  cgroup.write("memory", "memory.max", "67108864");
  cgroup.write("memory", "memory.min", "4194304");
  cgroup.write("memory", "memory.swap.max", "33554432");
  Workload workload(cgroup);
  for (const std::size_t pages : {1u, 100u, 777u, 3000u}) {
    workload.touch_anonymous(pages);
    const std::uint64_t usage_before = cgroup.read("memory", "memory.current");
    const wire::Container row = memory_row(daemon, cgroup);
    const std::uint64_t usage_after = cgroup.read("memory", "memory.current");
    CHECK(*row.memory_usage_bytes >= std::min(usage_before, usage_after));
    CHECK(*row.memory_usage_bytes <= std::max(usage_before, usage_after));
    CHECK(*row.memory_peak_bytes >= *row.memory_usage_bytes);
    if (cgroup.has("memory", "memory.peak")) CHECK(row.memory_peak_bytes == cgroup.read("memory", "memory.peak"));
    CHECK(row.memory_limit_bytes == 67108864);
    CHECK(row.memory_reservation_bytes == 4194304);
    CHECK(row.memory_swap_limit_bytes == 33554432);
    CHECK(row.memory_swap_bytes == cgroup.read("memory", "memory.swap.current"));
    CHECK(row.memory_failcnt == 0);
    CHECK(row.oom_kills == 0);
  }
}

TEST_CASE("memory v2: failcnt is what memory.events says of a cgroup that was at its limit", "[memory][.v2]") {
  const Daemon daemon;
  const TestCgroup cgroup('2');
  cgroup.write("memory", "memory.max", "8388608");
  Workload workload(cgroup);
  workload.read_file(4000);  // the page cache meets the limit, and is reclaimed
  const std::uint64_t before = cgroup.read_table("memory", "memory.events").at("max");
  const wire::Container row = memory_row(daemon, cgroup);
  const std::uint64_t after = cgroup.read_table("memory", "memory.events").at("max");
  REQUIRE(row.memory_failcnt);
  CHECK(before > 0);
  // Before 6.15 the counter has a tried charge of several pages as well, which is tried once more with fewer.
  CHECK(*row.memory_failcnt >= before);
  if (kernel_types_have("track_failcnt")) CHECK(*row.memory_failcnt <= after);
}

TEST_CASE("memory v2: rss, cache and mapped file are right to the page where memory.stat is late",
          "[memory.stat][.v2]") {
  const Daemon daemon;
  const TestCgroup cgroup('3');
  Workload workload(cgroup);
  workload.touch_anonymous(1);
  workload.touch_file(1);
  const wire::Container base = memory_row(daemon, cgroup);
  std::uint64_t anonymous = 0;
  std::uint64_t file = 0;
  for (const std::size_t pages : {1u, 2u, 31u, 32u, 33u, 5u, 64u, 1000u, 7u, 1u}) {
    workload.touch_anonymous(pages);
    workload.touch_file(pages / 2 + 1);
    anonymous += pages;
    file += pages / 2 + 1;
    const wire::Container row = memory_row(daemon, cgroup);
    CHECK(*row.memory_rss_bytes - *base.memory_rss_bytes == anonymous * page_bytes);
    CHECK(*row.memory_cache_bytes - *base.memory_cache_bytes == file * page_bytes);
    CHECK(*row.memory_mapped_file_bytes - *base.memory_mapped_file_bytes == file * page_bytes);
    CHECK(*row.memory_working_set_bytes == *row.memory_usage_bytes - *row.memory_inactive_file_bytes);
  }
  // memory.stat flushes when it is read, but not what the CPUs have counted since 32 changes each: the right order.
  const auto stat = cgroup.read_table("memory", "memory.stat");
  const std::uint64_t ours = *memory_row(daemon, cgroup).memory_rss_bytes;
  CHECK(ours + 200 * page_bytes >= stat.at("anon"));
  CHECK(stat.at("anon") + 200 * page_bytes >= ours);
}

TEST_CASE("memory v2: file pages that were read are inactive or active, as in memory.stat", "[memory.stat][.v2]") {
  const Daemon daemon;
  const TestCgroup cgroup('3');
  Workload workload(cgroup);
  workload.read_file(2000);
  const wire::Container row = memory_row(daemon, cgroup);
  const auto stat = cgroup.read_table("memory", "memory.stat");
  const auto near = [](std::uint64_t a, std::uint64_t b) { return (a > b ? a - b : b - a) <= 200 * page_bytes; };
  CHECK(*row.memory_inactive_file_bytes + *row.memory_active_file_bytes >= 1000 * page_bytes);
  CHECK(near(*row.memory_inactive_file_bytes, stat.at("inactive_file")));
  CHECK(near(*row.memory_active_file_bytes, stat.at("active_file")));
}

TEST_CASE("memory v2: a container has the memory of the cgroups inside it, once", "[memory.stat][nested][.v2]") {
  const Daemon daemon;
  const TestCgroup cgroup('5');
  std::uint64_t faults = 0;
  {
    const TestCgroup nested('5', "/nested", TestCgroup::Inside::with_controllers);
    Workload workload(nested);
    workload.touch_anonymous(1);
    const std::uint64_t base = *memory_row(daemon, cgroup).memory_rss_bytes;
    workload.touch_anonymous(17);
    const wire::Container row = memory_row(daemon, cgroup);
    CHECK(*row.memory_rss_bytes - base == 17 * page_bytes);
    faults = *row.page_faults;
    // Any reader's flush moves the figures between the kernel's arrays; not a page is to be lost or doubled by it.
    cgroup.read_table("memory", "memory.stat");
    CHECK(*memory_row(daemon, cgroup).memory_rss_bytes - base == 17 * page_bytes);
    sleep(3);
    CHECK(*memory_row(daemon, cgroup).memory_rss_bytes - base == 17 * page_bytes);
  }
  CHECK(*memory_row(daemon, cgroup).page_faults >= faults);
}

TEST_CASE("memory v2: OOM kills are counted and reported, nested ones as the container's", "[oom][nested][.v2]") {
  const Daemon daemon;
  const TestCgroup cgroup('6');
  const TestCgroup nested('6', "/nested", TestCgroup::Inside::with_controllers);
  nested.write("memory", "memory.max", "8388608");
  for (int kill = 0; kill < 3; ++kill) {
    Workload workload(nested, "victim-" + std::to_string(kill));
    REQUIRE(WIFSIGNALED(workload.run_out_of_memory(8192)));
  }
  const Dump dump = daemon.dump();
  const auto row = Daemon::find(dump, cgroup.id());
  REQUIRE(row);
  CHECK(row->oom_kills == 3);
  CHECK(row->oom_kills == cgroup.read_table("memory", "memory.events").at("oom_kill"));
  REQUIRE(dump.oom_events.size() == 3);
  for (int kill = 0; kill < 3; ++kill) {
    const wire::OomEvent& event = dump.oom_events[static_cast<std::size_t>(kill)];
    REQUIRE(event.container);
    CHECK(event.container->hex() == cgroup.id());
    CHECK(event.cgroup == nested.path());
    CHECK(event.victim_comm == "victim-" + std::to_string(kill));
    CHECK(event.memory_limit_bytes == 8388608);
  }
}
