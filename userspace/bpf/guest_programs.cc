#include "userspace/bpf/guest_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <unistd.h>

#include <guest.skel.h>
#include <algorithm>
#include <array>
#include <memory>

#include "userspace/bpf/test_run.h"

namespace katameter {
namespace {

constexpr std::uint32_t walk_unfinished = 1u << 31;  // WALK_UNFINISHED in cgroup_walk.bpf.h

struct DestroySkeleton {
  void operator()(guest* skeleton) const { guest::destroy(skeleton); }
};
using Skeleton = std::unique_ptr<guest, DestroySkeleton>;

std::size_t page_aligned(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(getpagesize());
  return (bytes + page - 1) / page * page;
}

Result<Fd> program_fd(const bpf_program* program) {
  return Fd::duplicate(bpf_program__fd(program));
}
Result<Fd> map_fd(const bpf_map* map) {
  return Fd::duplicate(bpf_map__fd(map));
}

Result<Fd> attach(bpf_program* program, const char* hook) {
  bpf_link* link = bpf_program__attach(program);
  if (link == nullptr) return system_failure(std::string("cannot attach to ") + hook);
  Result<Fd> fd = Fd::duplicate(bpf_link__fd(link));
  // The duplicate keeps the program attached; destroying libbpf's link closes only its own descriptor.
  bpf_link__destroy(link);
  return fd;
}

// Whether any hierarchy of cgroup v1 is walked for cpuacct, cpu or pids.
bool walks_cpu(const GuestPlan& plan) {
  return (plan.cpu && !plan.unified) || plan.walk_cpu || plan.walk_pids;
}

void size_maps(guest& skeleton, const GuestPlan& plan, std::size_t capacity) {
  const auto entries = static_cast<std::uint32_t>(capacity);
  bpf_map__set_max_entries(skeleton.maps.cpu_records, walks_cpu(plan) ? entries : 1);
  bpf_map__set_max_entries(skeleton.maps.unified_records, plan.unified ? entries : 1);
  bpf_map__set_max_entries(skeleton.maps.memory_records, plan.memory ? entries : 1);
  bpf_map__set_max_entries(skeleton.maps.name_records, entries);
  bpf_program__set_autoload(skeleton.progs.collect_cpu, walks_cpu(plan));
  bpf_program__set_autoload(skeleton.progs.collect_unified, plan.unified);
  skeleton.rodata->cpu_is_unified = plan.unified ? 1 : 0;
  bpf_program__set_autoload(skeleton.progs.collect_memory, plan.memory);
  bpf_program__set_autoload(skeleton.progs.find_stats, plan.memory_stat);
  bpf_program__set_autoload(skeleton.progs.note_removal, plan.removals);
  bpf_program__set_autoload(skeleton.progs.note_victim, plan.oom_events && !plan.victim_by_pid);
  bpf_program__set_autoload(skeleton.progs.note_victim_pid, plan.oom_events && plan.victim_by_pid);
  if (!plan.oom_events) bpf_map__set_autocreate(skeleton.maps.oom_events, false);
  skeleton.rodata->cpus = static_cast<std::uint32_t>(plan.possible_cpus);
}

}  // namespace

Result<GuestPrograms> GuestPrograms::load(const GuestPlan& plan, std::size_t capacity) {
  libbpf_set_print(nullptr);
  const Skeleton skeleton(guest::open());
  if (skeleton == nullptr) return system_failure("cannot open the built-in BPF object");
  size_maps(*skeleton, plan, capacity);
  if (const int status = guest::load(skeleton.get()); status != 0) {
    return system_failure("cannot load the BPF programs (see guest-probe check)", -status);
  }

  GuestPrograms programs;
  // Each step keeps its own descriptor, so that the skeleton, and libbpf's memory with it, can go at the end.
  const auto take = [](Result<Fd> source, Fd& target) -> Status {
    if (!source) return failure_from(source.error());
    target = *std::move(source);
    return {};
  };
  const auto take_walk = [&](bpf_program* program, bpf_map* map, std::size_t record, Program& target) -> Status {
    if (Status status = take(program_fd(program), target.program); !status) return status;
    if (Status status = take(map_fd(map), target.map); !status) return status;
    Result<Mapping> records = Mapping::read_only(target.map, page_aligned(record * bpf_map__max_entries(map)));
    if (!records) return failure_from(records.error());
    target.records = *std::move(records);
    target.capacity = bpf_map__max_entries(map);
    return {};
  };

  auto& maps = skeleton->maps;
  auto& progs = skeleton->progs;
  std::vector<Status> steps;
  if (walks_cpu(plan)) {
    steps.push_back(take_walk(progs.collect_cpu, maps.cpu_records, sizeof(cpu_record), programs.cpu_));
  }
  if (plan.unified) {
    steps.push_back(take_walk(progs.collect_unified, maps.unified_records, sizeof(unified_record), programs.unified_));
  }
  if (plan.memory) {
    steps.push_back(take_walk(progs.collect_memory, maps.memory_records, sizeof(memory_record), programs.memory_));
  }
  steps.push_back(take(program_fd(progs.collect_names), programs.names_.program));
  steps.push_back(take(map_fd(maps.name_records), programs.names_.map));
  programs.names_.capacity = capacity;
  steps.push_back(take(program_fd(progs.learn_cpu_offset), programs.learn_cpu_offset_));
  steps.push_back(take(map_fd(maps.removed), programs.removed_));
  for (Status& step : steps) {
    if (!step) return failure_from(step.error());
  }

  Result<Fd> status_map = map_fd(maps.status_map);
  if (!status_map) return failure_from(status_map.error());
  Result<Mapping> status = Mapping::read_only(*status_map, page_aligned(sizeof(guest_status)));
  if (!status) return failure_from(status.error());
  programs.status_ = *std::move(status);

  for (int cpu = 0; cpu < plan.possible_cpus; ++cpu) {
    if (Result<bool> learned = programs.learn_cpu(cpu); !learned) return failure_from(learned.error());
  }
  if (plan.memory_stat) {
    Result<Fd> program = program_fd(progs.find_stats);
    if (!program) return failure_from(program.error());
    const std::array<std::uint64_t, 2> tables{plan.stats_index, plan.events_index};
    const Result<std::uint32_t> found = test_run(*program, tables);
    if (!found) return failure_from(found.error(), "cannot find the figures of memory.stat");
    programs.stats_found_ = *found;
  }
  // Attached last: what they record relies on what was learned.
  if (plan.removals) {
    if (Status step = take(attach(progs.note_removal, "cgroup_rmdir"), programs.removal_link_); !step) {
      return failure_from(step.error());
    }
  }
  if (plan.oom_events) {
    Status step = take(map_fd(maps.oom_events), programs.oom_events_);
    if (step)
      step = take(attach(plan.victim_by_pid ? progs.note_victim_pid : progs.note_victim, "mark_victim"),
                  programs.victim_link_);
    if (!step) return failure_from(step.error());
  }
  return programs;
}

template <typename Record>
Result<Walk<Record>> GuestPrograms::walk(Program& program, std::span<const std::uint64_t> arguments) {
  const Result<std::uint32_t> returned = test_run(program.program, arguments);
  if (!returned) return failure_from(returned.error());
  const std::size_t visited = *returned & ~walk_unfinished;
  return Walk<Record>{program.records.as<Record>().first(std::min(visited, program.capacity)), visited};
}

Result<Walk<cpu_record>> GuestPrograms::walk_cpu(Hierarchy hierarchy) {
  const std::array<std::uint64_t, 1> arguments{static_cast<std::uint64_t>(hierarchy)};
  return walk<cpu_record>(cpu_, arguments);
}
Result<Walk<unified_record>> GuestPrograms::walk_unified() {
  return walk<unified_record>(unified_, {});
}
Result<Walk<memory_record>> GuestPrograms::walk_memory() {
  return walk<memory_record>(memory_, {});
}

Result<std::vector<name_record>> GuestPrograms::walk_names(Hierarchy hierarchy) {
  Result<Mapping> records = Mapping::read_only(names_.map, page_aligned(sizeof(name_record) * names_.capacity));
  if (!records) return failure_from(records.error());
  const std::array<std::uint64_t, 1> arguments{static_cast<std::uint64_t>(hierarchy)};
  const Result<std::uint32_t> returned = test_run(names_.program, arguments);
  if (!returned) return failure_from(returned.error());
  const std::size_t visited = std::min<std::size_t>(*returned & ~walk_unfinished, names_.capacity);
  const std::span<const name_record> all = records->as<name_record>().first(visited);
  return std::vector<name_record>(all.begin(), all.end());
}

Result<bool> GuestPrograms::learn_cpu(int cpu) {
  const Result<std::uint32_t> learned = test_run_on_cpu(learn_cpu_offset_, cpu);
  if (!learned && learned.error().code == ENXIO) return false;
  if (!learned) return failure_from(learned.error(), "cannot find the per-CPU variables");
  return *learned == 1;
}

const volatile guest_status& GuestPrograms::status() const {
  return *reinterpret_cast<const volatile guest_status*>(status_.data());
}

Result<std::vector<removed_record>> GuestPrograms::take_removed() {
  std::vector<removed_record> taken;
  const std::uint64_t removals = status().removals;
  if (removals == removals_taken_) return taken;

  constexpr std::uint32_t batch = 64;
  std::array<std::uint64_t, batch> keys{};
  std::vector<removed_record> values(batch);
  std::uint64_t position = 0;
  bool first = true;
  int status = 0;
  while (status == 0) {
    std::uint32_t count = batch;
    status = bpf_map_lookup_and_delete_batch(removed_.get(), first ? nullptr : &position, &position, keys.data(),
                                             values.data(), &count, nullptr);
    if (status != 0 && status != -ENOENT) return system_failure("cannot read the removed cgroups", -status);
    taken.insert(taken.end(), values.begin(), values.begin() + count);
    first = false;
  }
  removals_taken_ = removals;
  return taken;
}

Status GuestPrograms::read_oom_events(const std::function<void(const oom_record&)>& consumer) {
  const auto callback = [](void* context, void* data, std::size_t size) {
    if (size >= sizeof(oom_record)) {
      (*static_cast<const std::function<void(const oom_record&)>*>(context))(*static_cast<const oom_record*>(data));
    }
    return 0;
  };
  // Made for the moment: between events nothing of libbpf's stays in memory, and there are few events.
  auto* context = const_cast<std::function<void(const oom_record&)>*>(&consumer);
  const std::unique_ptr<ring_buffer, decltype(&ring_buffer__free)> ring(
      ring_buffer__new(oom_events_.get(), callback, context, nullptr), ring_buffer__free);
  if (ring == nullptr) return system_failure("cannot read the OOM events");
  const int count = ring_buffer__consume(ring.get());
  if (count < 0) return system_failure("cannot read the OOM events", -count);
  return {};
}

}  // namespace katameter
