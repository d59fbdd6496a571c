// What guest-probe does in user space with the records of one collect, for callgrind to count: 100 containers with a
// nested cgroup and three processes each, from the records to the bytes that go out.

#include <fmt/format.h>

#include <map>
#include <vector>

#include "guest-probe/account/cpu_account.h"
#include "guest-probe/account/memory_account.h"
#include "guest-probe/account/task_account.h"
#include "guest-probe/containers/cgroup_paths.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

using namespace katameter;

namespace {

constexpr std::uint64_t containers = 100;

// As the kernel's walks hand them over.
struct Records {
  std::vector<name_record> names;
  std::vector<cpu_record> cpu;
  std::vector<memory_record> memory;
  std::vector<task_record> tasks;
};

void add_cgroup(Records& to, std::uint32_t depth, const std::string& name) {
  const std::uint64_t id = to.names.size() + 1;
  name_record named{};
  named.id = id;
  named.depth = depth;
  name.copy(named.name, NAME_BYTES - 1);
  to.names.push_back(named);
  cpu_record cpu{};
  cpu.node = {id, depth, NODE_ONLINE};
  cpu.usage_ns = id * 1'234'567;
  cpu.user_ns = id * 1'000'000;
  cpu.system_ns = id * 234'567;
  cpu.kinds = CPU_TIMES | CPU_BANDWIDTH;
  cpu.bandwidth = {NO_QUOTA, 100'000'000, 1024 * 1024, 0, 0, 0};
  to.cpu.push_back(cpu);
  memory_record memory{};
  memory.node = {id, depth, NODE_ONLINE | NODE_CHARGES_PARENT};
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
  add_cgroup(made, 0, "/");
  add_cgroup(made, 1, "cri-containerd");
  for (std::uint64_t i = 0; i < containers; ++i) {
    add_cgroup(made, 2, fmt::format("{:064x}", i + 1));
    add_cgroup(made, 3, "nested");
    for (std::uint32_t process = 0; process < 3; ++process) {
      task_record task{};
      task.cgroup_id = made.names.back().id;
      task.tgid = static_cast<std::uint32_t>(made.tasks.size()) + 2;
      made.tasks.push_back(task);
    }
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
  tasks.end(paths);
  std::map<ContainerId, wire::Container> rows;
  for (const auto& [id, record] : account_cpu(records.cpu, paths).containers) {
    wire::Container& row = rows[id];
    row.id = id;
    row.cgroup = *paths.find(record.node.id);
    set_cpu(row, record, {});
    row.processes = tasks.of_container(id).processes;
  }
  for (const auto& [id, memory] : account_memory(records.memory, paths, {})) set_memory(rows[id], memory);
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
