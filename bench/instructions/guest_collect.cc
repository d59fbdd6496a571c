// What guest-probe does in user space with the records of one collect, for callgrind to count: 100 containers with three
// processes each, from the records to the bytes that go out.

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <vector>

#include "guest-probe/account/containers.h"
#include "guest-probe/account/cpu.h"
#include "guest-probe/account/memory.h"
#include "guest-probe/account/tasks.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t containers = 100;
// What costs more is left out unless it is asked for.
constexpr FigureSet figures = [] {
  FigureSet by_default = FigureSet::all();
  by_default.remove(FigureGroup::open_files);
  return by_default;
}();

// As the kernel's walks hand them over.
struct Records {
  std::vector<name_record> names;
  std::vector<cpu_record> cpu;
  std::vector<memory_record> memory;
  std::vector<task_record> tasks;
};

void add_name(Records& to, std::uint32_t depth, const std::string& name) {
  name_record named{};
  named.id = to.names.size() + 1;
  named.depth = depth;
  name.copy(named.name, NAME_BYTES - 1);
  if (name.size() == CONTAINER_DIGITS) {
    named.id_begin = 1;
    name.copy(named.container, CONTAINER_DIGITS);
  }
  to.names.push_back(named);
}

void add_container(Records& to, const std::string& name) {
  add_name(to, 2, name);
  const std::uint64_t id = to.names.size();
  cpu_record cpu{};
  cpu.id = id;
  cpu.usage_ns = id * 1'234'567;
  cpu.user_ns = id * 1'000'000;
  cpu.system_ns = id * 234'567;
  cpu.kinds = CPU_TIMES | CPU_BANDWIDTH;
  cpu.bandwidth = {NO_QUOTA, 100'000'000, 1024 * 1024, 0, 0, 0, 0, 0, 0};
  to.cpu.push_back(cpu);
  memory_record memory{};
  memory.id = id;
  memory.usage_pages = id * 321;
  memory.peak_pages = id * 400;
  memory.limit_pages = id * 1000;
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    memory.stat[stat] = static_cast<std::int64_t>(id * (stat + 3));
    memory.pending[stat] = static_cast<std::int64_t>(stat);
  }
  to.memory.push_back(memory);
}

Records recorded() {
  Records made;
  add_name(made, 0, "/");
  add_name(made, 1, "cri-containerd");
  for (std::uint64_t i = 0; i < containers; ++i) {
    add_container(made, fmt::format("{:064x}", i + 1));
    container_tasks tasks{};
    tasks.container_id = made.names.back().id;
    tasks.first_start_ns = i + 1;
    tasks.threads[THREAD_SLEEPING] = 3;
    tasks.processes = 3;
    tasks.flags = TASK_CONTAINER;
    std::memcpy(&made.tasks.emplace_back(), &tasks, sizeof(tasks));
  }
  return made;
}

}  // namespace

extern "C" std::size_t measured_part(const Records& records, const CgroupPaths& paths, TaskAccount& tasks);

// Counting begins and ends with it, by name. The steps are those of Collector::collect().
extern "C" __attribute__((noinline)) std::size_t measured_part(const Records& records, const CgroupPaths& paths,
                                                               TaskAccount& tasks) {
  tasks.begin();
  for (const task_record& task : records.tasks) tasks.add(task);
  tasks.end();
  std::map<ContainerId, wire::Container> rows;
  for (const cpu_record& record : records.cpu) {
    const ContainerId id = *paths.container_of(record.id);
    wire::Container& row = rows[id];
    row.id = id;
    row.cgroup = *paths.find(record.id);
    set_cpu(row, record, figures);
    set_tasks(row, tasks.of_container(record.id), figures);
  }
  for (const memory_record& record : records.memory) {
    set_memory(rows[*paths.container_of(record.id)], record, figures, false);
  }
  wire::Snapshot snapshot;
  snapshot.containers.reserve(rows.size());
  for (auto& [id, row] : rows) snapshot.containers.push_back(std::move(row));
  return wire::frame(wire::encode(wire::GuestMessage(std::move(snapshot)))).size();
}

int main() {
  const Records records = recorded();
  CgroupPaths paths;
  paths.learn(records.names);
  TaskAccount tasks(1);
  return measured_part(records, paths, tasks) > 0 ? 0 : 1;
}
