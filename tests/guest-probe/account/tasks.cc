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
          .reserved = {}};
}

// As the walk writes it.
task_record tasks_of(std::uint64_t container, std::uint32_t processes, std::uint64_t first_start_ns,
                     std::uint32_t max_open_files = 1024, std::uint32_t descriptors = 10) {
  const container_tasks sums{.first_start_ns = first_start_ns,
                             .container_id = container,
                             .threads = {1, 2, 3, 4, 5},
                             .processes = processes,
                             .flags = TASK_CONTAINER,
                             .max_open_files = max_open_files,
                             .descriptors = descriptors,
                             .sockets = processes};
  task_record record;
  std::memcpy(&record, &sums, sizeof(record));
  return record;
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
  return {.container_id = container_id,
          .sum = {first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6, first + 7, first + 8}};
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
  account.complete(row, FigureSet::all());
  return row;
}

}  // namespace

TEST_CASE("A container's processes and threads are the sums of its records, and the oldest process is known") {
  TaskAccount account(own);
  walk(account, {tasks_of(inside, 2, 3000), kernel(2, 100), tasks_of(99, 7, 1), tasks_of(inside, 3, 2000, 77),
                 tasks_of(inside, 0, 0), tasks_of(inside, 1, 2500)});
  CHECK(account.of_container(inside).first_start_ns == 2000);
  wire::Container row;
  set_tasks(row, account.of_container(inside), FigureSet::all());
  CHECK(row.processes == 6);
  CHECK(row.max_open_files == 77);
  CHECK(row.file_descriptors == 40);
  CHECK(row.sockets == 6);
  CHECK(row.threads_running == 4);
  CHECK(row.threads_sleeping == 8);
  CHECK(row.threads_stopped == 12);
  CHECK(row.threads_uninterruptible == 16);
  CHECK(row.threads_io_waiting == 20);
}

TEST_CASE("A container one of whose processes has too many descriptors to read has no number of them") {
  TaskAccount account(own);
  walk(account,
       {tasks_of(inside, 2, 3000), tasks_of(inside, 1, 4000, 1024, DESCRIPTORS_UNKNOWN), tasks_of(inside, 2, 3000)});
  wire::Container row;
  set_tasks(row, account.of_container(inside), FigureSet::all());
  CHECK(row.processes == 5);
  CHECK_FALSE((row.file_descriptors || row.sockets));
}

TEST_CASE("A container without processes has neither a start nor a limit") {
  TaskAccount account(own);
  walk(account, {tasks_of(inside, 2, 3000)});
  walk(account, {tasks_of(inside, 0, 0)});
  CHECK_FALSE(account.of_container(inside).first_start_ns);
  CHECK(account.of_container(inside).threads[THREAD_RUNNING] == 1);
  wire::Container row;
  set_tasks(row, account.of_container(99), FigureSet::all());
  CHECK(row.processes == 0);
  CHECK(row.threads_running == 0);
  CHECK_FALSE(row.max_open_files);
}

TEST_CASE("The guest system's CPU time is divided by owner; what runs in a container is the container's") {
  TaskAccount account(own);
  walk(account, {kernel(2, 100), kernel(3, 20), task(40, root, 1000, TASK_LEADER | TASK_PROCESS | TASK_AGENT),
                 task(own, root, 5, TASK_LEADER)});
  CHECK(account.cpu_ns(Owner::kernel) == 120);
  CHECK(account.cpu_ns(Owner::agent) == 1000);
  CHECK(account.cpu_ns(Owner::probe) == 5);

  TaskAccount contained(own);
  walk(contained, {task(own, inside, 5, TASK_LEADER)});
  CHECK(contained.cpu_ns(Owner::probe) == 0);
}

TEST_CASE("The threads of the agent are summed up, whichever the walk meets first") {
  TaskAccount account(own);
  task_record thread = task(39, root, 30, TASK_AGENT);
  thread.tgid = 40;
  walk(account, {thread, task(40, root, 1000, TASK_LEADER | TASK_AGENT)});
  CHECK(account.cpu_ns(Owner::agent) == 1030);
  // Another process between the two.
  const task_record late = kernel(39, 8);
  task_record early = task(38, root, 40, TASK_AGENT);
  early.tgid = 40;
  walk(account, {early, late, task(40, root, 1000, TASK_LEADER | TASK_AGENT)});
  CHECK(account.cpu_ns(Owner::agent) == 1040);
  CHECK(account.cpu_ns(Owner::kernel) == 8);
  walk(account, {late, task(40, root, 1100, TASK_LEADER | TASK_AGENT)});
  CHECK(account.cpu_ns(Owner::agent) == 1100);
  CHECK(account.cpu_ns(Owner::kernel) == 8);
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
  CHECK(row.read_calls == 125);
  CHECK(row.write_calls == 126);
  CHECK(row.read_call_bytes == 127);
  CHECK(row.write_call_bytes == 128);
}

TEST_CASE("Of the sums only those are in a row that are served") {
  SchedAccount account;
  read(account, {sums(inside, 120)});
  wire::Container row;
  row.id = *ContainerId::from_hex(name);
  account.complete(row, {FigureGroup::io_calls});
  CHECK((row.read_calls == 125 && !row.sched_run_ns && !row.involuntary_switches));
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
