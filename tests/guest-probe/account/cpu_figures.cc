#include <catch2/catch.hpp>

#include "guest-probe/account/cpu_account.h"
#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

cpu_record full_record() {
  cpu_record record = make_cpu(1, 1000);
  record.user_ns = 600;
  record.system_ns = 300;
  record.kinds = CPU_TIMES | CPU_BANDWIDTH | CPU_TASKS;
  record.bandwidth = {50'000'000, 100'000'000, 512 * 1024, 4, 3, 2000};
  record.tasks = {7, 100};
  return record;
}

wire::Container row_of(const cpu_record& record, const FigureSet& served = FigureSet::all()) {
  wire::Container row;
  set_cpu(row, record, served);
  return row;
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

TEST_CASE("A pids limit that is none is left out") {
  cpu_record record = full_record();
  record.tasks.max = NO_TASKS_LIMIT;
  CHECK_FALSE(row_of(record).threads_max);
  CHECK(row_of(record).threads == 7);
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
