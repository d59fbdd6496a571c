#include <catch2/catch.hpp>
#include <cstring>

#include "guest-probe/account/tasks.h"
#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint32_t own = 50;
constexpr std::uint64_t root = 0;  // in no container
constexpr std::uint64_t inside = 7;

task_record task(std::uint32_t pid, std::uint64_t container, std::uint64_t cpu_ns, std::uint32_t flags,
                 std::uint64_t start_ns = 1000) {
  return {.cgroup_id = 1,
          .container_id = container,
          .start_boottime_ns = start_ns,
          .cpu_ns = cpu_ns,
          .pid = pid,
          .tgid = pid,
          .flags = flags,
          .max_open_files = 1024};
}

task_record process(std::uint32_t pid, std::uint64_t container, std::uint64_t start_ns = 1000) {
  return task(pid, container, 0, TASK_LEADER | TASK_PROCESS, start_ns);
}

task_record kernel(std::uint32_t pid, std::uint64_t cpu_ns, std::uint64_t start_ns = 1000) {
  return task(pid, root, cpu_ns, TASK_LEADER | TASK_PROCESS | TASK_KERNEL, start_ns);
}

void walk(TaskAccount& account, const std::vector<task_record>& records) {
  account.begin();
  for (const task_record& record : records) account.add(record);
  account.end();
}

using Owner = TaskAccount::Owner;

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

TEST_CASE("A container's processes are counted, and the oldest is known") {
  TaskAccount account(own);
  walk(account, {process(1, root), process(10, inside, 3000), process(11, inside, 2000),
                 task(12, inside, 0, TASK_LEADER, 500), process(13, 99)});
  CHECK(account.of_container(inside).processes == 2);
  CHECK(account.of_container(inside).first_start_ns == 2000);

  walk(account, {process(1, root)});
  CHECK(account.of_container(inside).processes == 0);
  CHECK_FALSE(account.of_container(inside).first_start_ns);
}

TEST_CASE("A container's threads are counted by what they do, the leaders with the others") {
  TaskAccount account(own);
  const auto in_state = [](task_record record, std::uint32_t state) {
    record.flags |= (state + 1) << TASK_STATE_SHIFT;
    return record;
  };
  threads_record threads{};
  threads.container_id = inside;
  threads.count[THREAD_SLEEPING] = 3;
  threads.count[THREAD_IO_WAITING] = 2;
  threads.flags = TASK_THREADS;
  task_record as_task;
  std::memcpy(&as_task, &threads, sizeof(as_task));
  walk(account, {in_state(process(10, inside), THREAD_RUNNING), as_task, in_state(process(11, inside), THREAD_SLEEPING),
                 as_task, in_state(process(12, inside), THREAD_STOPPED),
                 in_state(process(13, inside), THREAD_UNINTERRUPTIBLE), task(14, inside, 0, TASK_LEADER)});
  wire::Container row;
  set_tasks(row, account.of_container(inside), FigureSet::all());
  CHECK(row.processes == 4);
  CHECK(row.threads_running == 1);
  CHECK(row.threads_sleeping == 7);
  CHECK(row.threads_stopped == 1);
  CHECK(row.threads_uninterruptible == 1);
  CHECK(row.threads_io_waiting == 4);
}

TEST_CASE("The limit of open files is that of a container's oldest process") {
  TaskAccount account(own);
  task_record oldest = process(11, inside, 2000);
  oldest.max_open_files = 77;
  walk(account, {process(10, inside, 3000), oldest, process(12, inside, 2500)});
  wire::Container row;
  set_tasks(row, account.of_container(inside), FigureSet::all());
  CHECK(row.max_open_files == 77);
  wire::Container empty;
  set_tasks(empty, account.of_container(99), FigureSet::all());
  CHECK_FALSE(empty.max_open_files);
  CHECK(empty.threads_running == 0);
}

TEST_CASE("The guest system's CPU time is divided by owner; what runs in a container is the container's") {
  TaskAccount account(own);
  walk(account, {kernel(2, 100), kernel(3, 20), task(4, inside, 7, TASK_LEADER | TASK_KERNEL),
                 task(40, root, 1000, TASK_LEADER | TASK_PROCESS | TASK_AGENT), task(own, root, 5, TASK_LEADER)});
  CHECK(account.cpu_ns(Owner::kernel) == 120);
  CHECK(account.cpu_ns(Owner::agent) == 1000);
  CHECK(account.cpu_ns(Owner::probe) == 5);
}

TEST_CASE("The threads of the agent are summed up, whichever the walk meets first") {
  TaskAccount account(own);
  task_record thread = task(39, root, 30, TASK_AGENT);
  thread.tgid = 40;
  walk(account, {thread, task(40, root, 1000, TASK_LEADER | TASK_AGENT)});
  CHECK(account.cpu_ns(Owner::agent) == 1030);
}

TEST_CASE("No owner's CPU time falls when a thread ends, is missed, or its number is given again") {
  TaskAccount account(own);
  walk(account, {kernel(2, 100), kernel(3, 20)});
  walk(account, {kernel(2, 110)});
  CHECK(account.cpu_ns(Owner::kernel) == 130);
  walk(account, {kernel(2, 110), kernel(3, 1, 5000)});
  CHECK(account.cpu_ns(Owner::kernel) == 131);

  const auto agent = [](std::uint64_t cpu_ns) { return task(40, root, cpu_ns, TASK_LEADER | TASK_AGENT); };
  walk(account, {agent(500)});
  walk(account, {agent(480)});
  CHECK(account.cpu_ns(Owner::agent) == 500);
  walk(account, {agent(510)});
  CHECK(account.cpu_ns(Owner::agent) == 510);
  CHECK(account.cpu_ns(Owner::kernel) == 131);
}

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
