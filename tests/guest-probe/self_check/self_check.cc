#include "guest-probe/self_check/self_check.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;

namespace {

const auto page = static_cast<std::uint64_t>(getpagesize());

struct Sample {
  cpu_record cpu = make_cpu(1, 2000);
  memory_record memory = make_memory(1, 40, 0);
  FileFigures before;
  FileFigures after;

  Sample() {
    memory.stat[STAT_FILE] = 50;
    memory.stat[STAT_INACTIVE_FILE] = 60;
    memory.failcnt = 7;
    memory.oom_kills = 8;
    cpu.kinds = CPU_TIMES | CPU_BANDWIDTH | CPU_TASKS;
    cpu.user_ns = 31'000'000;
    cpu.system_ns = 29'999'999;
    cpu.bandwidth = {5'000'000, 7'000'000, 1500 * 1024, 11, 12, 13};
    cpu.tasks = {14, 15};
    before.cpu = {30'000'000, 20'000'000, 11, 12, 13, 5000, 7000, 1500, 14, 15};
    before.cpu_usage_ns = 2000;
    before.usage_bytes = 100 * page;
    before.peak_bytes = 200 * page;
    before.limit_bytes = 300 * page;
    before.failcnt = 7;
    before.oom_kills = 8;
    before.rss_bytes = 40 * page;
    before.cache_bytes = 50 * page;
    before.inactive_file_bytes = 60 * page;
    memory.stat[STAT_ACTIVE_FILE] = 11;
    memory.stat[STAT_MAPPED_FILE] = 12;
    memory.stat[STAT_SWAP] = 13;
    memory.stat[STAT_FAULTS] = 14;
    memory.stat[STAT_MAJOR_FAULTS] = 15;
    memory.kernel_pages = 16;
    memory.swap_limit_pages = 17;
    memory.soft_limit_pages = 18;
    before.active_file_bytes = 11 * page;
    before.mapped_file_bytes = 12 * page;
    before.swap_bytes = 13 * page;
    before.page_faults = 14;
    before.major_page_faults = 15;
    before.kernel_bytes = 16 * page;
    before.swap_limit_bytes = 17 * page;
    before.reservation_bytes = 18 * page;
    after = before;
  }

  std::vector<Refusal> run(ServedFigures& served) const { return compare(cpu, memory, before, after, served); }
};

ServedFigures all_served() {
  return {true, true, MemoryFields(), CpuFields(), {}, false};
}

}  // namespace

TEST_CASE("Figures that are the files' are served") {
  Sample sample;
  sample.before.cpu_usage_ns = 1990;
  sample.after.cpu_usage_ns = 2010;
  ServedFigures served = all_served();
  CHECK(sample.run(served).empty());
  CHECK(served.cpu);
}

TEST_CASE("Each figure that is read wrongly is refused, and only that one") {
  const std::vector<std::pair<std::string, void (*)(Sample&)>> mistakes{
      {"cpu_usage_ns", [](Sample& sample) { sample.cpu.usage_ns = 1999; }},
      {"cpu_user_ns", [](Sample& sample) { sample.cpu.user_ns = 40'000'000; }},
      {"cpu_system_ns", [](Sample& sample) { sample.cpu.system_ns = 19'999'999; }},
      {"cfs_periods", [](Sample& sample) { sample.cpu.bandwidth.periods = 10; }},
      {"cfs_throttled_periods", [](Sample& sample) { sample.cpu.bandwidth.throttled_periods = 11; }},
      {"cfs_throttled_ns", [](Sample& sample) { sample.cpu.bandwidth.throttled_ns = 12; }},
      {"cpu_quota_us", [](Sample& sample) { sample.cpu.bandwidth.quota_ns = 5; }},
      {"cpu_period_us", [](Sample& sample) { sample.cpu.bandwidth.period_ns = 7; }},
      {"cpu_shares", [](Sample& sample) { sample.cpu.bandwidth.shares = 1500; }},
      {"threads", [](Sample& sample) { sample.cpu.tasks.current = 1; }},
      {"threads_max", [](Sample& sample) { sample.cpu.tasks.max = 1; }},
      {"memory_usage_bytes", [](Sample& sample) { sample.memory.usage_pages = 101; }},
      {"memory_peak_bytes", [](Sample& sample) { sample.memory.peak_pages = 100; }},
      {"memory_limit_bytes", [](Sample& sample) { sample.memory.limit_pages = 0; }},
      {"memory_failcnt", [](Sample& sample) { sample.memory.failcnt = 8; }},
      {"oom_kills", [](Sample& sample) { sample.memory.oom_kills = 0; }},
      {"memory_rss_bytes", [](Sample& sample) { sample.memory.stat[STAT_ANON] = 50; }},
      {"memory_cache_bytes", [](Sample& sample) { sample.memory.stat[STAT_FILE] = -1; }},
      {"memory_working_set_bytes", [](Sample& sample) { sample.memory.stat[STAT_INACTIVE_FILE] = 1; }},
      {"memory_active_file_bytes", [](Sample& sample) { sample.memory.stat[STAT_ACTIVE_FILE] = 12; }},
      {"memory_mapped_file_bytes", [](Sample& sample) { sample.memory.stat[STAT_MAPPED_FILE] = 0; }},
      {"memory_swap_bytes", [](Sample& sample) { sample.memory.stat[STAT_SWAP] = 1; }},
      {"page_faults", [](Sample& sample) { sample.memory.stat[STAT_FAULTS] = 15; }},
      {"major_page_faults", [](Sample& sample) { sample.memory.stat[STAT_MAJOR_FAULTS] = 14; }},
      {"memory_kernel_bytes", [](Sample& sample) { sample.memory.kernel_pages = 17; }},
      {"memory_swap_limit_bytes", [](Sample& sample) { sample.memory.swap_limit_pages = 0; }},
      {"memory_reservation_bytes", [](Sample& sample) { sample.memory.soft_limit_pages = 0; }},
  };
  for (const auto& [figure, make_mistake] : mistakes) {
    INFO(figure);
    Sample sample;
    make_mistake(sample);
    ServedFigures served = all_served();
    const std::vector<Refusal> refusals = sample.run(served);
    REQUIRE(refusals.size() == 1);
    CHECK(refusals[0].figure == figure);
    CHECK(refusals[0].text.find("the kernel's file says") != std::string::npos);
    CHECK(served.cpu == (figure != "cpu_usage_ns"));
    CHECK(served.memory_fields.rss == (figure != "memory_rss_bytes"));
  }
}

TEST_CASE("A cgroup that the walk did not find refuses everything") {
  const Sample sample;
  ServedFigures served = all_served();
  const auto refusals = compare(std::nullopt, std::nullopt, sample.before, sample.after, served);
  CHECK(refusals.size() == 27);
  CHECK_FALSE(served.cpu);
  CHECK_FALSE(served.memory_fields.usage);
}

TEST_CASE("A figure that the kernel has no file for is absent, which is no mistake of the reading") {
  Sample sample;
  sample.after.swap_limit_bytes = std::nullopt;
  ServedFigures served = all_served();
  const std::vector<Refusal> refusals = sample.run(served);
  REQUIRE(refusals.size() == 1);
  CHECK(refusals[0].figure == "memory_swap_limit_bytes");
  CHECK(refusals[0].absent);
  CHECK_FALSE(served.memory_fields.swap_limit);
}

TEST_CASE("In cgroup v2 swap, kernel memory and reservation come from elsewhere") {
  Sample sample;
  sample.memory.swap_pages = 13;
  sample.memory.stat[STAT_KERNEL] = 16;
  sample.memory.min_pages = 18;
  sample.memory.stat[STAT_SWAP] = 0;
  sample.memory.kernel_pages = 0;
  sample.memory.soft_limit_pages = 0;
  ServedFigures served = all_served();
  served.memory_fields.unified = true;
  CHECK(sample.run(served).empty());
}

TEST_CASE("A peak without a file is between what is used and the limit") {
  Sample sample;
  sample.before.peak_bytes = sample.after.peak_bytes = sample.before.usage_bytes;
  sample.before.peak_has_file = sample.after.peak_has_file = false;
  ServedFigures served = all_served();
  CHECK(sample.run(served).empty());
  sample.memory.peak_pages = 301;
  CHECK(sample.run(served).size() == 1);
}

TEST_CASE("Files that are late and say 0 let no wrong layout pass: the process holds more than that") {
  Sample sample;
  sample.memory.stat[STAT_ANON] = 0;
  sample.before.rss_bytes = sample.after.rss_bytes = 0;
  sample.before.held_anonymous_bytes = 40 * page;
  sample.memory.pending[STAT_ANON] = 40;
  ServedFigures served = all_served();
  CHECK(sample.run(served).empty());
  sample.memory.pending[STAT_ANON] = 39;
  const std::vector<Refusal> refusals = sample.run(served);
  REQUIRE(refusals.size() == 1);
  CHECK(refusals[0].figure == "memory_rss_bytes");
}
