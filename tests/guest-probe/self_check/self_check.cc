#include <unistd.h>

#include <catch2/catch.hpp>

#include "guest-probe/self_check/self_check.h"
#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

const auto page = static_cast<std::uint64_t>(getpagesize());
constexpr FigureSet cpu_groups{FigureGroup::cpu, FigureGroup::bandwidth, FigureGroup::pids, FigureGroup::cpuset};
constexpr FigureSet memory_group{FigureGroup::memory};

// Huge pages are not among them: none are charged then.
constexpr FigureSet compared_at_start = [] {
  FigureSet figures = FigureSet::all();
  figures.remove(FigureGroup::hugetlb);
  return figures;
}();

// What BPF read of a cgroup, and what its files say: the same.
struct Sample {
  cpu_record cpu = make_cpu(1, 5'000'999);
  memory_record memory = make_memory(1, 40, 0);
  pressure_totals pressure{};
  FigureValues files{};
  CgroupDirectories directories;

  explicit Sample(bool v2) {
    directories.unified = directories.unified_memory = v2;
    cpu.kinds = CPU_TIMES | CPU_BANDWIDTH | CPU_TASKS;
    cpu.kinds |= CPU_BURST | CPU_IDLE | CPU_CPUSET;
    cpu.cpuset_cpus = 6;
    if (v2) cpu.kinds |= CPU_UNIFIED;
    cpu.user_ns = 31'000'000;
    cpu.system_ns = v2 ? 20'000'999 : 29'999'999;
    cpu.bandwidth = {70'009'000, 90'011'000, 788 * 1024, 11, 12, 13'500, 16, 17'500, 1};
    cpu.tasks = {14, 15};
    files[figure::cpu_usage_ns] = v2 ? 5'000'000 : 5'000'999;
    files[figure::cpu_user_ns] = v2 ? 31'000'000 : 30'000'000;
    files[figure::cpu_system_ns] = 20'000'000;
    files[figure::cfs_periods] = 11;
    files[figure::cfs_throttled_periods] = 12;
    files[figure::cfs_throttled_ns] = v2 ? 13'000 : 13'500;
    files[figure::cfs_burst_periods] = 16;
    files[figure::cfs_burst_ns] = v2 ? 17'000 : 17'500;
    files[figure::cpu_idle] = 1;
    files[figure::cpu_quota_us] = 70'009;
    files[figure::cpu_period_us] = 90'011;
    files[figure::cpu_shares] = v2 ? 1994 : 788;
    files[figure::cpuset_cpus] = 6;
    files[figure::threads] = 14;
    files[figure::threads_max] = 15;

    memory.failcnt = 7;
    memory.oom_kills = 8;
    memory.stat[STAT_FILE] = 50;
    memory.stat[STAT_INACTIVE_FILE] = 60;
    memory.stat[STAT_ACTIVE_FILE] = 11;
    memory.stat[STAT_MAPPED_FILE] = 12;
    memory.stat[STAT_FAULTS] = 14;
    memory.stat[STAT_MAJOR_FAULTS] = 15;
    memory.swap_limit_pages = 17;
    memory.swap_peak_pages = 19;
    memory.swap_failcnt = 101 + EVENT_SWAP_MAX;
    for (std::uint64_t i = 0; i < MEMORY_EVENTS; ++i) memory.events[i] = 101 + i;
    for (std::size_t stat = STAT_INACTIVE_ANON; stat < STATS; ++stat) {
      if (memory.stat[stat] == 0) memory.stat[stat] = static_cast<std::int64_t>(20 + stat);
    }
    if (v2) {
      memory.swap_pages = 13;
      memory.stat[STAT_KERNEL] = 16;
      memory.min_pages = 18;
    } else {
      memory.stat[STAT_SWAP] = 13;
      memory.kernel_pages = 16;
      memory.soft_limit_pages = 18;
    }
    files[figure::memory_usage_bytes] = 100 * page;
    files[figure::memory_peak_bytes] = 200 * page;
    files[figure::memory_limit_bytes] = 300 * page;
    files[figure::memory_failcnt] = 7;
    files[figure::oom_kills] = 8;
    files[figure::memory_rss_bytes] = 40 * page;
    files[figure::memory_cache_bytes] = 50 * page;
    files[figure::memory_inactive_file_bytes] = 60 * page;
    files[figure::memory_working_set_bytes] = 60 * page;  // compared by what it is without
    files[figure::memory_active_file_bytes] = 11 * page;
    files[figure::memory_mapped_file_bytes] = 12 * page;
    files[figure::memory_swap_bytes] = 13 * page;
    files[figure::page_faults] = 14;
    files[figure::major_page_faults] = 15;
    files[figure::memory_kernel_bytes] = 16 * page;
    files[figure::memory_swap_limit_bytes] = 17 * page;
    files[figure::memory_reservation_bytes] = 18 * page;
    files[figure::memory_swap_peak_bytes] = 19 * page;
    put_other_files(v2);

    pressure.kinds = (1u << PRESSURES) - 1;
    for (std::uint64_t i = 0; i < PRESSURES; ++i) pressure.total_ns[i] = 5'000 + i;
    for (std::size_t i = 0; i < figure::count; ++i) {
      if (v2 && wire::container_figures[i].group == FigureGroup::pressure) files[i] = 5'000;
    }
  }

  // What the kernel's files say of all the others.
  void put_other_files(bool v2) {
    for (std::size_t i = 0; i < figure::count; ++i) {
      const FigureFile& file = file_of(i, v2);
      if (file.name == nullptr || files[i] || wire::container_figures[i].group != FigureGroup::memory) continue;
      const auto index = static_cast<std::size_t>(figure_sources[i].index);
      files[i] = stat_of(i, v2) < 0 ? 101 + index : (20 + index) * stat_unit(index, page);
    }
  }

  FigureValues ours() const {
    FigureValues values{};
    put_values(cpu, values);
    put_values(memory, directories.unified_memory, values);
    put_values(pressure, values);
    return values;
  }

  std::vector<Mismatch> run(FigureSet& served) const {
    return compare(ours(), files, files, directories, compared_at_start, served);
  }
  std::vector<Mismatch> run() const {
    FigureSet served = FigureSet::all();
    return run(served);
  }
};

std::vector<std::string> names_of(const std::vector<Mismatch>& mismatches) {
  std::vector<std::string> names;
  for (const Mismatch& mismatch : mismatches) names.push_back(mismatch.figure);
  return names;
}

const OwnTask own{.cpu_before_ns = 100, .cpu_after_ns = 200, .start_ticks = 77, .cgroup_id = 9};

task_record right() {
  return {.cgroup_id = 9,
          .container_id = 0,
          .start_boottime_ns = 77 * file_tick_ns() + 5,
          .cpu_ns = 150,
          .pid = 1,
          .tgid = 1,
          .flags = TASK_LEADER | TASK_PROCESS,
          .reserved = {}};
}

bool accepted(const std::optional<task_record>& record, const OwnTask& truth = own) {
  ServedFigures served;
  served.figures.add(FigureGroup::processes);
  const bool nothing_said = compare_tasks(record, truth, served).empty();
  CHECK(nothing_said == served.has(figure::processes));
  return nothing_said;
}

}  // namespace

TEST_CASE("Figures that are the files' are served, those of no file as well") {
  for (const bool v2 : {false, true}) {
    FigureSet served = FigureSet::all();
    CHECK(names_of(Sample(v2).run(served)).empty());
    CHECK(served == FigureSet::all());
  }
}

TEST_CASE("A figure may lie anywhere between two reads of its file, in steps of the file") {
  const Sample sample(true);
  FigureValues before = sample.files;
  FigureValues after = sample.files;
  const auto compared = [&] {
    FigureSet served = FigureSet::all();
    return names_of(compare(sample.ours(), before, after, sample.directories, compared_at_start, served));
  };
  before[figure::cpu_usage_ns] = 4'000'000;
  after[figure::cpu_usage_ns] = 6'000'000;
  before[figure::memory_usage_bytes] = 110 * page;  // what is used may have become less
  after[figure::memory_usage_bytes] = 90 * page;
  CHECK(compared().empty());
  after[figure::cpu_usage_ns] = 4'999'000;
  CHECK(compared() == std::vector<std::string>{"cpu_usage_ns"});
}

TEST_CASE("Each figure that has a file is refused where it is not the file's, and only that one") {
  for (const bool v2 : {false, true}) {
    const Sample right(v2);
    std::size_t compared = 0;
    for (std::size_t i = 0; i < figure::count; ++i) {
      if (file_of(i, v2).name == nullptr || !compared_at_start.has(i)) continue;
      INFO(wire::container_figures[i].name << (v2 ? ", v2" : ", v1"));
      ++compared;
      for (const bool larger : {false, true}) {
        Sample wrong = right;
        const std::uint64_t grain = grain_of(file_of(i, v2));
        wrong.files[i] = *right.ours()[i] + (larger ? 1 : -grain);
        FigureSet served = FigureSet::all();
        const std::vector<Mismatch> mismatches = wrong.run(served);
        REQUIRE(names_of(mismatches) == std::vector{std::string(wire::container_figures[i].name)});
        CHECK(mismatches[0].text.find("the kernel's file says") != std::string::npos);
        CHECK_FALSE(mismatches[0].absent);
        FigureSet others = FigureSet::all();
        others.remove(i);
        CHECK(served == others);
      }
    }
    CHECK(compared == (v2 ? 64 : 40));
  }
}

TEST_CASE("A counter that is read as another one is refused with what is made of it") {
  Sample sample(false);
  sample.memory.stat[STAT_INACTIVE_FILE] = 1;
  CHECK(names_of(sample.run()) == std::vector<std::string>{"memory_working_set_bytes", "memory_inactive_file_bytes"});
  sample = Sample(false);
  sample.memory.stat[STAT_FILE] = -1;
  CHECK(names_of(sample.run()) == std::vector<std::string>{"memory_cache_bytes"});
}

TEST_CASE("A cgroup that the walk did not find refuses all that is compared") {
  const Sample sample(false);
  FigureSet served = FigureSet::all();
  const auto mismatches = compare(FigureValues{}, sample.files, sample.files, sample.directories, cpu_groups, served);
  CHECK(mismatches.size() == 15);
  CHECK_FALSE(served.has(FigureGroup::cpu));
  CHECK(served.has(FigureGroup::memory));
  compare(FigureValues{}, sample.files, sample.files, sample.directories, memory_group, served);
  for (std::size_t i = 0; i < figure::count; ++i) {
    INFO(wire::container_figures[i].name);
    if (memory_group.has(i)) CHECK(served.has(i) == (file_of(i, false).name == nullptr));
  }
}

TEST_CASE("A figure that the kernel has no file for is absent, which is not a mistake of the reading") {
  Sample sample(false);
  sample.files[figure::memory_swap_limit_bytes] = std::nullopt;
  FigureSet served = FigureSet::all();
  const std::vector<Mismatch> mismatches = sample.run(served);
  REQUIRE(mismatches.size() == 1);
  CHECK(mismatches[0].figure == "memory_swap_limit_bytes");
  CHECK(mismatches[0].absent);
  CHECK_FALSE(served.has(figure::memory_swap_limit_bytes));
}

TEST_CASE("A limit that is not set is compared as well") {
  Sample sample(true);
  sample.memory.swap_limit_pages = static_cast<std::uint64_t>(INT64_MAX) / page;
  CHECK(names_of(sample.run()) == std::vector<std::string>{"memory_swap_limit_bytes"});
  sample.files[figure::memory_swap_limit_bytes] = no_limit;
  CHECK(sample.run().empty());
  sample.memory.swap_limit_pages = 17;
  const std::vector<Mismatch> mismatches = sample.run();
  REQUIRE(mismatches.size() == 1);
  CHECK(mismatches[0].text.find("no limit") != std::string::npos);
}

TEST_CASE("A peak without a file is between what is used and the limit") {
  Sample sample(true);
  sample.files[figure::memory_peak_bytes] = std::nullopt;
  CHECK(sample.run().empty());
  sample.memory.peak_pages = 301;
  CHECK(sample.run().size() == 1);
}

TEST_CASE("Files that lag and say 0 let no wrong layout pass: the process holds more than that") {
  Sample sample(false);
  sample.memory.stat[STAT_ANON] = 0;
  sample.files[figure::memory_rss_bytes] = 0;
  sample.memory.pending[STAT_ANON] = 40;
  CHECK(sample.run().empty());
  FigureSet served = FigureSet::all();
  CHECK(compare_held(sample.memory, 40 * page, 12 * page, false, served).empty());
  sample.memory.pending[STAT_ANON] = 39;
  CHECK(names_of(compare_held(sample.memory, 40 * page, 12 * page, false, served)) ==
        std::vector<std::string>{"memory_rss_bytes"});
  CHECK_FALSE(served.has(figure::memory_rss_bytes));
}

TEST_CASE("Pressure of a cgroup that was busy and is read as idle is refused") {
  pressure_totals totals = Sample(true).pressure;
  totals.busy_ns = 2'500'000;
  FigureSet served = FigureSet::all();
  CHECK(compare_busy(totals, 2'000'000, 9'000'000, served).empty());
  for (const std::uint64_t busy_ns : {std::uint64_t{0}, std::uint64_t{9'000'001}}) {
    totals.busy_ns = busy_ns;
    served = FigureSet::all();
    CHECK(compare_busy(totals, 2'000'000, 9'000'000, served).size() == PRESSURES);
    CHECK_FALSE(served.has(FigureGroup::pressure));
  }
}

TEST_CASE("Pressure that a kernel does not count, or that has no file, is absent") {
  Sample sample(true);
  sample.pressure.kinds &= ~(1u << PRESSURE_CPU_FULL);
  CHECK(names_of(sample.run()) == std::vector<std::string>{"cpu_stalled_ns"});
  sample.files[figure::cpu_stalled_ns] = std::nullopt;
  const std::vector<Mismatch> mismatches = sample.run();
  REQUIRE(mismatches.size() == 1);
  CHECK(mismatches[0].absent);
}

TEST_CASE("A number is found in each form of the kernel's files") {
  using Form = FigureFile::Form;
  const auto value = [](const std::string& text, const FigureFile& file, FigureKind kind = FigureKind::gauge) {
    return value_in_text(text, file, kind);
  };
  CHECK(value("4096\n", {"memory.current"}) == 4096);
  CHECK(value("max\n", {"memory.max"}, FigureKind::limit) == no_limit);
  CHECK(value("-1\n", {"cpu.cfs_quota_us"}, FigureKind::limit) == no_limit);
  CHECK(value("9223372036854771712\n", {"memory.limit_in_bytes"}, FigureKind::limit) == no_limit);
  const std::string stat = "cache 1\nrss 2\nrss_huge 3\ntotal_rss 4\n";
  CHECK(value(stat, {"memory.stat", "rss"}) == 2);
  CHECK(value(stat, {"memory.stat", "total_rss"}) == 4);
  CHECK_FALSE(value(stat, {"memory.stat", "total"}));
  CHECK_FALSE(value("", {"memory.current"}));
  CHECK_FALSE(value("what?\n", {"memory.current"}));
  CHECK(value("max 90011\n", {"cpu.max"}, FigureKind::limit) == no_limit);
  CHECK(value("70009 90011\n", {"cpu.max"}) == 70'009);
  CHECK(value("70009 90011\n", {"cpu.max", "", Form::second}) == 90'011);
  CHECK(value("77\n", {"cpu.weight", "", Form::weight}) == 1994);
  CHECK(value("user 3\nsystem 4\n", {"cpuacct.stat", "system", Form::ticks}) == 4 * file_tick_ns());
  CHECK(value("usage_usec 5\n", {"cpu.stat", "usage_usec", Form::microseconds}) == 5'000);
  const FigureFile list{"cpuset.cpus.effective", "", Form::cpu_list};
  CHECK(value("0-2,5\n", list) == 4);
  CHECK(value("\n", list) == 0);
  CHECK_FALSE(value("0-\n", list));
  const std::string pressure =
      "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=34\n";
  CHECK(value(pressure, {"cpu.pressure", "some", Form::total}) == 12'000);
  CHECK(value(pressure, {"cpu.pressure", "full", Form::total}) == 34'000);
}

TEST_CASE("The walk over tasks is served if it reads guest-probe itself as it is") {
  CHECK(accepted(right()));
  OwnTask elsewhere = own;
  elsewhere.cgroup_id = 0;  // not to be looked up
  CHECK(accepted(right(), elsewhere));
}

TEST_CASE("A walk over tasks that reads one thing wrong is not served") {
  CHECK_FALSE(accepted(std::nullopt));
  for (void (*spoil)(task_record&) :
       {+[](task_record& record) { record.cpu_ns = 99; }, +[](task_record& record) { record.cpu_ns = 201; },
        +[](task_record& record) { record.start_boottime_ns += file_tick_ns(); },
        +[](task_record& record) { record.cgroup_id = 10; }, +[](task_record& record) { record.flags = TASK_LEADER; },
        +[](task_record& record) { record.flags |= TASK_KERNEL; }}) {
    task_record record = right();
    spoil(record);
    CHECK_FALSE(accepted(record));
  }
}
