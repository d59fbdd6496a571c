#include "guest-probe/self_check/self_check_unified.h"

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;

namespace {

struct Sample {
  cpu_record record = make_cpu(1, 5'000'999);
  UnifiedFileFigures files;

  Sample() {
    record.user_ns = 3'000'000;
    record.system_ns = 2'000'999;
    record.kinds = CPU_TIMES | CPU_BANDWIDTH | CPU_TASKS | CPU_UNIFIED;
    record.bandwidth = {70'009'000, 90'011'000, 788 * 1024, 11, 12, 13'500};
    record.tasks = {1, 4711};
    files.usage_ns = 5'000'000;
    files.cpu = {3'000'000, 2'000'000, 11, 12, 13'000, 70'009, 90'011, shares_of_weight(77), 1, 4711};
  }

  std::vector<Refusal> run(CpuFields& fields) const { return compare_unified(record, files, files, fields); }
};

}  // namespace

TEST_CASE("v2 figures that are the files' are served") {
  CpuFields fields;
  CHECK(Sample().run(fields).empty());
  CHECK(fields.usage);
}

TEST_CASE("Each v2 figure that is read wrongly is refused, and only that one") {
  const std::vector<std::pair<std::string, void (*)(cpu_record&)>> mistakes{
      {"cpu_usage_ns", [](cpu_record& record) { record.usage_ns = 5'001'000; }},
      {"cpu_user_ns", [](cpu_record& record) { record.user_ns = 2'999'999; }},
      {"cpu_system_ns", [](cpu_record& record) { record.system_ns = 0; }},
      {"cfs_periods", [](cpu_record& record) { record.bandwidth.periods = 10; }},
      {"cfs_throttled_periods", [](cpu_record& record) { record.bandwidth.throttled_periods = 11; }},
      {"cfs_throttled_ns", [](cpu_record& record) { record.bandwidth.throttled_ns = 14'000; }},
      {"cpu_quota_us", [](cpu_record& record) { record.bandwidth.quota_ns = 5; }},
      {"cpu_period_us", [](cpu_record& record) { record.bandwidth.period_ns = 7; }},
      {"cpu_shares", [](cpu_record& record) { record.bandwidth.shares = 1500; }},
      {"threads", [](cpu_record& record) { record.tasks.current = 2; }},
      {"threads_max", [](cpu_record& record) { record.tasks.max = 1; }},
  };
  for (const auto& [figure, make_mistake] : mistakes) {
    INFO(figure);
    Sample sample;
    make_mistake(sample.record);
    CpuFields fields;
    const std::vector<Refusal> refusals = sample.run(fields);
    REQUIRE(refusals.size() == 1);
    CHECK(refusals[0].figure == figure);
  }
}

TEST_CASE(
    "What v2 controllers do not keep of a cgroup is not compared, a cgroup that was not found refuses its times") {
  Sample sample;
  sample.record.kinds = CPU_TIMES | CPU_UNIFIED;
  CpuFields fields;
  CHECK(sample.run(fields).empty());
  sample.record = cpu_record{};
  CHECK(sample.run(fields).size() == 3);
  CHECK((!fields.usage && !fields.user && !fields.system && fields.threads));
}
