#include <catch2/catch.hpp>
#include <vector>

#include "guest-probe/account/cpu.h"
#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

cpu_record full_record() {
  cpu_record record = make_cpu(1, 1000);
  record.user_ns = 600;
  record.system_ns = 300;
  record.kinds = CPU_TIMES | CPU_BANDWIDTH | CPU_TASKS;
  record.bandwidth = {50'000'000, 100'000'000, 512 * 1024, 4, 3, 2000, 5, 700, 1};
  record.tasks = {7, 100};
  return record;
}

wire::Container row_of(const cpu_record& record, const FigureSet& served = FigureSet::all()) {
  wire::Container row;
  set_cpu(row, record, served);
  return row;
}

unified_record make_unified(std::uint64_t id, std::uint64_t check, std::uint32_t nested = 0) {
  unified_record record{};
  record.cpu.id = id;
  record.check = check;
  record.nested = record.descendants = nested;
  return record;
}

// Of one cgroup: usage, ticks of user and system, and what the kernel showed last.
cpu_record clamped(ShownTimes& times, std::uint64_t usage, std::uint64_t user, std::uint64_t system,
                   std::uint64_t shown_user = 0, std::uint64_t shown_system = 0) {
  cpu_record record = make_cpu(1, usage);
  record.user_ns = user;
  record.system_ns = system;
  record.shown_user_ns = shown_user;
  record.shown_system_ns = shown_system;
  times.clamp(record);
  return record;
}

}  // namespace

TEST_CASE("A record's figures come in the units of the wire") {
  const wire::Container row = row_of(full_record());
  CHECK(row.cpu_usage_ns == 1000);
  CHECK(row.cpu_user_ns == 600);
  CHECK(row.cpu_system_ns == 300);
  CHECK(row.cpu_quota_us == 50'000);
  CHECK(row.cpu_period_us == 100'000);
  CHECK(row.cpu_shares == 512);
  CHECK(row.cfs_periods == 4);
  CHECK(row.cfs_throttled_periods == 3);
  CHECK(row.cfs_throttled_ns == 2000);
  CHECK(row.threads == 7);
  CHECK(row.threads_max == 100);
}

TEST_CASE("Without a quota there are neither a quota nor CFS counters, but period and shares") {
  cpu_record record = full_record();
  record.bandwidth.quota_ns = NO_QUOTA;
  const wire::Container row = row_of(record);
  CHECK((!row.cpu_quota_us && !row.cfs_periods && !row.cfs_throttled_periods && !row.cfs_throttled_ns));
  CHECK((row.cpu_period_us && row.cpu_shares));
}

TEST_CASE("Bursts and cpu.idle are there where the kernel has them, bursts with a quota only") {
  cpu_record record = full_record();
  CHECK((!row_of(record).cfs_burst_periods && !row_of(record).cfs_burst_ns && !row_of(record).cpu_idle));
  record.kinds |= CPU_BURST | CPU_IDLE;
  CHECK(row_of(record).cfs_burst_periods == 5);
  CHECK(row_of(record).cfs_burst_ns == 700);
  CHECK(row_of(record).cpu_idle == 1);
  record.bandwidth.quota_ns = NO_QUOTA;
  CHECK((!row_of(record).cfs_burst_periods && !row_of(record).cfs_burst_ns));
  CHECK(row_of(record).cpu_idle == 1);
}

TEST_CASE("A pids limit that is none is left out") {
  cpu_record record = full_record();
  record.tasks.max = NO_TASKS_LIMIT;
  CHECK_FALSE(row_of(record).threads_max);
  CHECK(row_of(record).threads == 7);
}

TEST_CASE("The CPUs of a cpuset are there where the kernel has one of the container") {
  cpu_record record = full_record();
  record.cpuset_cpus = 3;
  CHECK_FALSE(row_of(record).cpuset_cpus);
  record.kinds |= CPU_CPUSET;
  CHECK(row_of(record).cpuset_cpus == 3);
}

TEST_CASE("What a hierarchy does not have leaves the figures that another one gave") {
  wire::Container row = row_of(full_record());
  cpu_record nothing = make_cpu(9, 5);
  nothing.kinds = 0;
  set_cpu(row, nothing, FigureSet::all());
  CHECK(row.cpu_usage_ns == 1000);
  CHECK(row.threads == 7);
}

TEST_CASE("A CPU figure that is not served is left out") {
  FigureSet served = FigureSet::all();
  for (const figure::Index each : {figure::cpu_user_ns, figure::cfs_throttled_ns, figure::threads}) served.remove(each);
  const wire::Container row = row_of(full_record(), served);
  CHECK((!row.cpu_user_ns && !row.cfs_throttled_ns && !row.threads));
  CHECK((row.cpu_usage_ns && row.cpu_system_ns && row.cfs_periods && row.threads_max));
}

TEST_CASE("A v2 walk that misses a cgroup below a container's is not complete") {
  std::vector<unified_record> walk{make_unified(2, 0), make_unified(3, 0, 4)};
  CHECK(is_complete(walk));
  CHECK(is_complete({}));
  walk[1].nested = 3;
  CHECK_FALSE(is_complete(walk));
}

TEST_CASE("Two v2 walks agree if nothing was flushed in between, whatever was used") {
  const std::vector<unified_record> first{make_unified(2, 100), make_unified(3, 200, 4)};
  std::vector<unified_record> second = first;
  second[1].cpu.usage_ns += 1000;
  CHECK(walks_agree(first, second));
  SECTION("anywhere") {
    second[1].check = 201;
  }
  SECTION("and the containers are the same") {
    second[1].cpu.id = 7;
  }
  SECTION("and none was added") {
    second.push_back(make_unified(8, 0));
  }
  SECTION("and nothing came or went below them") {
    second[1].nested = 5;
  }
  CHECK_FALSE(walks_agree(first, second));
}

TEST_CASE("Where the kernel does not scale, ticks are shown as they are") {
  ShownTimes times(false);
  const cpu_record record = clamped(times, 1000, 700, 900);
  CHECK((record.user_ns == 700 && record.system_ns == 900));
}

TEST_CASE("Where the kernel scales, both together are the usage, in the ratio of the ticks") {
  ShownTimes times(true);
  const cpu_record record = clamped(times, 1000, 300, 100);
  CHECK((record.user_ns == 750 && record.system_ns == 250));
  ShownTimes others(true);
  CHECK(clamped(others, 1000, 0, 0).user_ns == 1000);
  ShownTimes third(true);
  CHECK(clamped(third, 1000, 0, 5).system_ns == 1000);
}

TEST_CASE("No product is too large for a long-lived container") {
  ShownTimes times(true);
  const std::uint64_t year = 365ull * 86400 * 1'000'000'000;
  const cpu_record record = clamped(times, 8 * year, 6 * year, 2 * year);
  CHECK((record.user_ns == 6 * year && record.system_ns == 2 * year));
}

TEST_CASE(
    "Neither time goes back when the ratio of the ticks falls, nor when another reader made the kernel show less") {
  ShownTimes times(true);
  CHECK(clamped(times, 1000, 100, 100).system_ns == 500);
  const cpu_record second = clamped(times, 1100, 1000, 100);
  CHECK((second.system_ns == 500 && second.user_ns == 600));
  const cpu_record third = clamped(times, 1200, 1000, 100, 1000, 100);
  CHECK((third.system_ns >= 500 && third.user_ns >= 600));
  CHECK(third.system_ns + third.user_ns == 1200);
}

TEST_CASE("What the kernel has shown to others is not undercut") {
  ShownTimes times(true);
  const cpu_record record = clamped(times, 1000, 900, 100, 500, 400);
  CHECK((record.system_ns == 400 && record.user_ns == 600));
}

TEST_CASE("A cgroup that is gone is forgotten") {
  ShownTimes times(true);
  clamped(times, 1000, 1, 1);
  times.forget_unseen();
  CHECK(times.size() == 1);
  times.forget_unseen();
  CHECK(times.size() == 0);
}
