#include <unistd.h>

#include <catch2/catch.hpp>

#include "guest-probe/account/figure_sources.h"
#include "guest-probe/account/memory.h"
#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

const auto page = static_cast<std::uint64_t>(getpagesize());

wire::Container row_of(const memory_record& record, const FigureSet& served = FigureSet::all(), bool unified = false) {
  wire::Container row;
  set_memory(row, record, served, unified);
  return row;
}

oom_record make_record() {
  oom_record record{};
  record.sequence = 4;
  record.victim_tgid = 99;
  record.anon_pages = 10;
  record.usage_pages = 20;
  record.limit_pages = 30;
  const std::string comm = "hog";
  std::copy(comm.begin(), comm.end(), record.comm);
  record.names = 2;
  const std::string id(64, 'a');
  std::copy(id.begin(), id.end(), record.name[0]);
  const std::string parent = "cri-containerd";
  std::copy(parent.begin(), parent.end(), record.name[1]);
  return record;
}

}  // namespace

TEST_CASE("Pages by NUMA node are the record's, of each node its own") {
  numa_record record{};
  record.pages[0][NUMA_ANON] = 1;
  record.pages[1][NUMA_FILE] = 2;
  record.pages[3][NUMA_UNEVICTABLE] = 3;
  wire::Container row;
  set_numa(row, record, FigureSet::all());
  CHECK(row.memory_node0_anon_pages == 1);
  CHECK(row.memory_node1_file_pages == 2);
  CHECK(row.memory_node3_unevictable_pages == 3);
  CHECK(row.memory_node2_file_pages == 0);
  wire::Container none;
  set_numa(none, record, FigureSet{FigureGroup::memory});
  CHECK_FALSE(none.memory_node0_anon_pages);
}

TEST_CASE("What the CPUs have not flushed is added to what they have") {
  const wire::Container row = row_of(make_memory(3, 50, 12));
  CHECK(row.memory_rss_bytes == (50 + 12) * page);
  CHECK(row.memory_usage_bytes == 100 * page);
  CHECK(row.memory_peak_bytes == 200 * page);
  CHECK(row.memory_limit_bytes == 300 * page);
}

TEST_CASE("A limit that is not set, and a figure that is not served, are left out") {
  memory_record record = make_memory(3, 50, 0);
  record.limit_pages = static_cast<std::uint64_t>(INT64_MAX) / page;
  FigureSet served = FigureSet::all();
  served.remove(figure::memory_rss_bytes);
  const wire::Container row = row_of(record, served);
  CHECK_FALSE(row.memory_limit_bytes);
  CHECK_FALSE(row.memory_rss_bytes);
  CHECK(row.memory_cache_bytes == 0);
}

TEST_CASE("Working set is usage less inactive file, and never negative") {
  memory_record record = make_memory(3, 0, 0);
  record.stat[STAT_INACTIVE_FILE] = 30;
  record.pending[STAT_INACTIVE_FILE] = 2;
  CHECK(row_of(record).memory_working_set_bytes == 68 * page);
  CHECK(row_of(record).memory_inactive_file_bytes == 32 * page);
  record.stat[STAT_INACTIVE_FILE] = 150;
  CHECK(row_of(record).memory_working_set_bytes == 0);
  FigureSet served = FigureSet::all();
  served.remove(figure::memory_usage_bytes);
  CHECK_FALSE(row_of(record, served).memory_working_set_bytes);
}

TEST_CASE("Stalls are absent where they are not counted") {
  memory_record record = make_memory(3, 0, 0);
  record.stalls = 3;
  record.stall_ns = 300;
  CHECK(row_of(record).memory_stalls == 3);
  CHECK(row_of(record).memory_stall_ns == 300);
  FigureSet served = FigureSet::all();
  served.remove(FigureGroup::reclaim);
  CHECK_FALSE(row_of(record, served).memory_stalls);
}

TEST_CASE("Page faults are events, not bytes") {
  memory_record record = make_memory(3, 0, 0);
  record.stat[STAT_FAULTS] = 64;
  record.pending[STAT_FAULTS] = 8;
  CHECK(row_of(record).page_faults == 72);
}

TEST_CASE("What memory.stat counts in other units than pages becomes what it says") {
  memory_record record = make_memory(3, 0, 0);
  record.stat[STAT_SLAB_RECLAIMABLE] = 5000;
  record.pending[STAT_SLAB_RECLAIMABLE] = -8;
  record.stat[STAT_KERNEL_STACK] = 16;
  record.stat[STAT_REFAULT_FILE] = 7;
  record.stat[STAT_SCANNED] = 9;
  record.stat[STAT_ZSWAP] = 11;
  record.stat[STAT_ZSWAPPED] = 12;
  const wire::Container row = row_of(record, FigureSet::all(), true);
  CHECK(row.memory_slab_reclaimable_bytes == 4992);
  CHECK(row.memory_kernel_stack_bytes == 16 * 1024);
  CHECK(row.memory_refaults_file == 7);
  CHECK(row.memory_scanned_pages == 9);
  CHECK(row.memory_zswap_bytes == 11);
  CHECK(row.memory_zswapped_bytes == 12 * page);
  CHECK_FALSE(row_of(record).memory_slab_reclaimable_bytes);
}

TEST_CASE("The events of memory are those of cgroup v2, without those that the kernel does not count") {
  memory_record record = make_memory(3, 0, 0);
  for (std::uint64_t i = 0; i < MEMORY_EVENTS; ++i) record.events[i] = 10 + i;
  record.events[EVENT_OOM_GROUP_KILL] = EVENT_NOT_COUNTED;
  record.swap_failcnt = 3;
  const wire::Container v2 = row_of(record, FigureSet::all(), true);
  CHECK(v2.memory_low_events == 10 + EVENT_LOW);
  CHECK(v2.memory_high_events == 10 + EVENT_HIGH);
  CHECK(v2.memory_max_events == 10 + EVENT_MAX);
  CHECK(v2.memory_oom_events == 10 + EVENT_OOM);
  CHECK_FALSE(v2.memory_oom_group_kills);
  CHECK(v2.memory_swap_max_events == 10 + EVENT_SWAP_MAX);
  CHECK(v2.memory_swap_fail_events == 10 + EVENT_SWAP_FAIL);
  const wire::Container v1 = row_of(record);
  CHECK(v1.memory_swap_max_events == 3);
  CHECK_FALSE(v1.memory_high_events);
  FigureSet served = FigureSet::all();
  served.remove(figure::memory_high_events);
  CHECK_FALSE(row_of(record, served, true).memory_high_events);
}

TEST_CASE("Swap, kernel memory and reservation are other counters in cgroup v1 than in v2") {
  memory_record record = make_memory(3, 0, 0);
  record.stat[STAT_SWAP] = 1;
  record.swap_pages = 2;
  record.kernel_pages = 3;
  record.stat[STAT_KERNEL] = 4;
  record.soft_limit_pages = 5;
  record.min_pages = 6;
  const wire::Container v1 = row_of(record);
  CHECK(v1.memory_swap_bytes == page);
  CHECK(v1.memory_kernel_bytes == 3 * page);
  CHECK(v1.memory_reservation_bytes == 5 * page);
  const wire::Container v2 = row_of(record, FigureSet::all(), true);
  CHECK(v2.memory_swap_bytes == 2 * page);
  CHECK(v2.memory_kernel_bytes == 4 * page);
  CHECK(v2.memory_reservation_bytes == 6 * page);
}

TEST_CASE("Every counter of memory.stat has one figure, or one and the working set") {
  for (const bool unified : {false, true}) {
    for (int stat = 0; stat < STATS; ++stat) {
      std::size_t figures = 0;
      for (std::size_t i = 0; i < figure::count; ++i) figures += stat_of(i, unified) == stat ? 1 : 0;
      INFO("STAT " << stat << (unified ? " in v2" : " in v1"));
      const bool in_v1 =
          stat <= STAT_WRITEBACK || stat == STAT_SWAP || stat == STAT_FAULTS || stat == STAT_MAJOR_FAULTS;
      const bool there = unified ? stat != STAT_SWAP : in_v1;
      CHECK(figures == (!there ? 0 : stat == STAT_INACTIVE_FILE ? 2 : 1));
    }
  }
}

TEST_CASE("Two walks agree only if nothing was flushed between") {
  const std::vector<memory_record> first{make_memory(1, 10, 1), make_memory(2, 5, 2)};
  std::vector<memory_record> second = first;
  CHECK(walks_agree(first, second));
  second[1].pending[STAT_ANON] = 31;  // a page touched in between is no disturbance
  CHECK(walks_agree(first, second));
  second[1].stat[STAT_ANON] = 38;
  CHECK_FALSE(walks_agree(first, second));
  CHECK_FALSE(walks_agree({}, first));
  second = {first[0], make_memory(3, 5, 2)};
  CHECK_FALSE(walks_agree(first, second));
  second = first;
  second[0].check = 7;  // in a cgroup below the container's
  CHECK_FALSE(walks_agree(first, second));
}

TEST_CASE("OOM kills and page faults do not fall, neither in a living cgroup nor in what is left of it") {
  MemoryCounters counters;
  const auto raise = [&](std::uint64_t kills, std::uint64_t faults) {
    wire::Container row;
    row.oom_kills = kills;
    row.page_faults = faults;
    counters.begin();
    counters.raise(3, row);
    CHECK_FALSE(row.major_page_faults);  // one that is not there does not appear
    return std::pair{*row.oom_kills, *row.page_faults};
  };
  CHECK(raise(4, 100) == std::pair{std::uint64_t{4}, std::uint64_t{100}});
  CHECK(raise(1, 90) == std::pair{std::uint64_t{4}, std::uint64_t{100}});
  CHECK(raise(1, 110) == std::pair{std::uint64_t{4}, std::uint64_t{110}});
  wire::Container removed;
  removed.oom_kills = 0;
  removed.page_faults = 100;
  removed.memory_failcnt = 0;
  counters.raise_removed(3, removed);
  CHECK(removed.oom_kills == 4);
  CHECK(removed.page_faults == 110);
  CHECK(removed.memory_failcnt == 0);
  counters.begin();
  counters.begin();  // it was not seen in between: another cgroup may not inherit anything
  CHECK(raise(0, 5) == std::pair{std::uint64_t{0}, std::uint64_t{5}});
}

TEST_CASE("An OOM record becomes an event of its container") {
  const wire::OomEvent event = make_oom_event(make_record());
  CHECK(event.sequence == 4);
  CHECK(event.cgroup == "/cri-containerd/" + std::string(64, 'a'));
  REQUIRE(event.container);
  CHECK(event.container->hex() == std::string(64, 'a'));
  CHECK(event.victim_pid == 99);
  CHECK(event.victim_comm == "hog");
  CHECK(event.victim_anon_bytes == 10u * static_cast<unsigned>(getpagesize()));
  CHECK(event.memory_limit_bytes == 30u * static_cast<unsigned>(getpagesize()));
}

TEST_CASE("A victim in no container, without a limit, with a name that is no text") {
  oom_record record = make_record();
  record.names = 0;
  record.limit_pages = static_cast<std::uint64_t>(INT64_MAX);
  record.comm[0] = '\n';
  const wire::OomEvent event = make_oom_event(record);
  CHECK(event.cgroup == "/");
  CHECK_FALSE(event.container);
  CHECK(event.memory_limit_bytes == 0);
  CHECK(event.victim_comm == "?og");
}

TEST_CASE("The class of an OOM kill follows from where the limited cgroup is") {
  oom_record record = make_record();
  CHECK(make_oom_event(record).oom_class == wire::OomClass::unknown);
  CHECK(make_oom_event(record).limit_cgroup.empty());

  record.oom_class = OOM_CLASS_GUEST;
  CHECK(make_oom_event(record).oom_class == wire::OomClass::guest);
  CHECK(make_oom_event(record).limit_cgroup.empty());

  record.oom_class = OOM_CLASS_LIMIT;
  record.over_usage_pages = 40;
  record.over_limit_pages = 50;
  const wire::OomEvent own = make_oom_event(record);
  CHECK(own.oom_class == wire::OomClass::container_limit);
  CHECK(own.limit_cgroup == own.cgroup);
  CHECK(own.limit_usage_bytes == 40u * static_cast<unsigned>(getpagesize()));
  CHECK(own.limit_bytes == 50u * static_cast<unsigned>(getpagesize()));

  record.over_level = 1;
  CHECK(make_oom_event(record).oom_class == wire::OomClass::pod_limit);
  CHECK(make_oom_event(record).limit_cgroup == "/cri-containerd");
  record.over_level = UINT32_MAX;
  CHECK(make_oom_event(record).limit_cgroup == "/");

  record.over_level = 0;
  record.name[0][0] = 'x';
  CHECK(make_oom_event(record).oom_class == wire::OomClass::other_limit);
}

TEST_CASE("Huge pages have figures for each size that was used or refused, in bytes but for the failures") {
  hugetlb_counts counts{};
  counts.value[HUGETLB_PEAK + HUGE_2MB] = 1024;
  counts.value[HUGETLB_FAILCNT + HUGE_1GB] = 7;
  wire::Container row;
  set_hugetlb(row, counts, FigureSet::all());
  CHECK(row.hugetlb_2mb_usage_bytes == 0);
  CHECK(row.hugetlb_2mb_peak_bytes == 1024 * page);
  CHECK(row.hugetlb_2mb_failcnt == 0);
  CHECK(row.hugetlb_1gb_failcnt == 7);
  CHECK_FALSE(row.hugetlb_64kb_usage_bytes);
  CHECK_FALSE(row.hugetlb_32mb_failcnt);

  wire::Container not_served;
  set_hugetlb(not_served, counts, FigureSet{FigureGroup::memory});
  CHECK_FALSE(not_served.hugetlb_2mb_peak_bytes);
}
