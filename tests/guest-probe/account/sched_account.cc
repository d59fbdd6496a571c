#include "guest-probe/account/sched_account.h"

#include <catch2/catch.hpp>

#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t inside = 7;
const std::string name(64, 'a');

sched_record sums(std::uint64_t container_id, std::uint64_t first) {
  return {.container_id = container_id, .sum = {first, first + 1, first + 2, first + 3, first + 4}};
}

void read(SchedAccount& account, const std::vector<sched_record>& records) {
  CgroupPaths paths;
  paths.learn(std::vector{make_name(1, 0, ""), make_name(6, 1, "cri-containerd"), make_name(inside, 2, name)});
  account.begin();
  for (const sched_record& record : records) account.add(record);
  account.end(paths);
}

wire::Container row_of(SchedAccount& account, bool removed = false) {
  wire::Container row;
  row.id = *ContainerId::from_hex(name);
  row.removed = removed;
  account.complete(row);
  return row;
}

}  // namespace

TEST_CASE("A container's scheduler figures are the kernel program's sums") {
  SchedAccount account;
  read(account, {sums(9, 5000), sums(inside, 120)});
  const wire::Container row = row_of(account);
  CHECK(row.sched_run_ns == 120);
  CHECK(row.sched_wait_ns == 121);
  CHECK(row.sched_periods == 122);
  CHECK(row.voluntary_switches == 123);
  CHECK(row.involuntary_switches == 124);
}

TEST_CASE("A container in which no task was ever seen has used nothing") {
  SchedAccount account;
  read(account, {sums(1, 5000)});
  CHECK(row_of(account).sched_run_ns == 0);
}

TEST_CASE("Nothing falls when the kernel forgets sums") {
  SchedAccount account;
  read(account, {sums(inside, 125)});
  read(account, {sums(inside, 110)});
  CHECK(row_of(account).sched_run_ns == 125);
  read(account, {sums(inside, 130)});
  CHECK(row_of(account).sched_run_ns == 130);
}

TEST_CASE("A container that came and went between two readings is known by its removal") {
  SchedAccount account;
  account.removed(inside, *ContainerId::from_hex(name));
  read(account, {sums(9, 1)});
  CHECK(row_of(account).sched_run_ns == 0);
  account.removed(inside, *ContainerId::from_hex(name));
  account.begin();
  account.add(sums(inside, 100));
  account.end(CgroupPaths());
  CHECK(row_of(account).sched_run_ns == 100);
}

TEST_CASE("A container that is reported as removed again has the same values, though its last tasks end only now") {
  SchedAccount account;
  read(account, {sums(inside, 100)});
  CHECK(row_of(account, true).sched_run_ns == 100);
  read(account, {sums(inside, 130)});
  CHECK(row_of(account, true).sched_run_ns == 100);
  read(account, {sums(inside, 130)});
  CHECK(row_of(account).sched_run_ns == 130);  // made again
  read(account, {sums(inside, 140)});
  CHECK(row_of(account, true).sched_run_ns == 140);
}
