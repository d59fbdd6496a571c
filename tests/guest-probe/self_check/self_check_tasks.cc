#include "guest-probe/self_check/self_check_tasks.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace katameter::guest;

namespace {

const OwnTask own{.cpu_before_ns = 100, .cpu_after_ns = 200, .start_ticks = 77, .cgroup_id = 9};

task_record right() {
  return {.cgroup_id = 9,
          .container_id = 0,
          .start_boottime_ns = 77 * file_tick_ns() + 5,
          .cpu_ns = 150,
          .pid = 1,
          .tgid = 1,
          .flags = TASK_LEADER | TASK_PROCESS,
          .reserved = 0};
}

bool accepted(const std::optional<task_record>& record, const OwnTask& truth = own) {
  ServedFigures served;
  served.figures.add(figure::processes);
  const bool nothing_said = compare_tasks(record, truth, served).empty();
  CHECK(nothing_said == served.has(figure::processes));
  return nothing_said;
}

}  // namespace

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
