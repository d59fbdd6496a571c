#include "guest-probe/commands/startup.h"

#include <fmt/core.h>

#include "guest-probe/self_check/self_check_pressure.h"
#include "guest-probe/self_check/self_check_tasks.h"
#include "guest-probe/self_check/self_check_unified.h"
#include "guest-probe/self_check/stat_learning.h"
#include "userspace/bpf/kernel_facts.h"

namespace katameter {
namespace {

// A kernel that lacks it all is told apart by what is missing first: without the first need no other can be had.
tl::unexpected<Error> nothing_works(const GuestPlan& plan) {
  for (const Need& need : plan.needs) {
    if (!need.found) {
      return tl::make_unexpected(Error{ENOSYS, fmt::format("{} cannot be had: {}", need.name, need.remedy)});
    }
  }
  return tl::make_unexpected(Error{ENOSYS, "this kernel gives no figure; see guest-probe check"});
}

void refuse_bandwidth(CpuFields& fields) {
  for (bool CpuFields::*field : {&CpuFields::periods, &CpuFields::throttled_periods, &CpuFields::throttled_ns,
                                 &CpuFields::quota, &CpuFields::period, &CpuFields::shares}) {
    fields.*field = false;
  }
}

ServedFigures planned_figures(const GuestPlan& plan) {
  ServedFigures served;
  served.cpu = plan.cpu;
  served.memory = plan.memory;
  if (plan.cpu) served.cpu_walks.push_back(plan.unified ? Hierarchy::unified : Hierarchy::cpuacct);
  served.cpu_times_scaled = plan.unified;
  if (plan.walk_cpu) served.cpu_walks.push_back(Hierarchy::cpu);
  if (plan.walk_pids) served.cpu_walks.push_back(Hierarchy::pids);
  if (!plan.cpu) served.cpu_fields.user = served.cpu_fields.system = false;
  if (!plan.bandwidth) refuse_bandwidth(served.cpu_fields);
  if (!plan.tasks) served.cpu_fields.threads = served.cpu_fields.threads_max = false;
  served.memory_fields.unified = plan.unified_memory;
  served.processes = plan.tasks_walk;
  served.schedstat = plan.schedstat;
  served.start_times = plan.births || plan.tasks_walk;
  served.tasks_hierarchy = static_cast<Hierarchy>(plan.tasks_hierarchy);
  served.memory_fields.stalls = plan.stalls;
  served.io = plan.io;
  served.io_among_memory = !plan.io_v1 && plan.unified_memory;
  return served;
}

// The CPU figures of cgroup v2 have a check of their own.
ServedFigures without_cpu(ServedFigures served) {
  served.cpu = false;
  served.cpu_walks.clear();
  served.cpu_fields = {.usage = false, .user = false, .system = false, .threads = false, .threads_max = false};
  refuse_bandwidth(served.cpu_fields);
  return served;
}

// What stands in memory.stat and is in none of the kernel's arrays where we look is not served.
std::vector<Refusal> take_out_unfound(const GuestProbe& probe, const std::array<Unlearned, STATS>& why,
                                      MemoryFields& fields) {
  struct Stat {
    int index;
    const char* figure;
    bool MemoryFields::*field;
  };
  const bool unified = fields.unified;
  const std::vector<Stat> stats{
      {STAT_ANON, "memory_rss_bytes", &MemoryFields::rss},
      {STAT_FILE, "memory_cache_bytes", &MemoryFields::cache},
      {STAT_INACTIVE_FILE, "memory_working_set_bytes", &MemoryFields::inactive_file},
      {STAT_ACTIVE_FILE, "memory_active_file_bytes", &MemoryFields::active_file},
      {STAT_MAPPED_FILE, "memory_mapped_file_bytes", &MemoryFields::mapped_file},
      {unified ? STAT_KERNEL : STAT_SWAP, unified ? "memory_kernel_bytes" : "memory_swap_bytes",
       unified ? &MemoryFields::kernel : &MemoryFields::swap},
      {STAT_FAULTS, "page_faults", &MemoryFields::page_faults},
      {STAT_MAJOR_FAULTS, "major_page_faults", &MemoryFields::major_page_faults},
  };
  std::vector<Refusal> refusals;
  for (const Stat& stat : stats) {
    if (probe.programs->has_stat(stat.index)) continue;
    fields.*stat.field = false;
    if (!probe.plan.memory_stat) continue;  // said once, by the plan
    const Unlearned reason = why[static_cast<std::size_t>(stat.index)];
    // Counted since 5.18.
    const bool uncounted =
        stat.index == STAT_KERNEL && (reason == Unlearned::not_tried || reason == Unlearned::no_line);
    refusals.push_back({stat.figure,
                        uncounted
                            ? "this kernel does not count it in cgroup v2"
                            : "where the kernel keeps it is in a table that /proc/kallsyms does not show, and " +
                                  describe(reason) +
                                  "; give guest-probe CAP_SYSLOG, or build the guest kernel with CONFIG_KALLSYMS_ALL",
                        uncounted});
  }
  return refusals;
}

// Beside the containers' own there are those inside them, of pods and of the guest system.
std::size_t cgroups_for(std::size_t containers) {
  return containers + containers / 4 + 30;
}

Status open_pins(GuestProbe& probe, const std::string& path) {
  if (path.empty()) return {};
  Result<PinDirectory> pins = PinDirectory::open(path);
  if (!pins && pins.error().code == EWOULDBLOCK) return failure_from(pins.error());
  if (pins) {
    probe.pins = *std::move(pins);
  } else {
    probe.pin_failure = pins.error().text;
  }
  return {};
}

}  // namespace

Result<GuestProbe> start_guest_probe(std::size_t containers, const std::string& pin_directory, bool schedstat) {
  GuestProbe probe;
  const KernelFacts facts = read_kernel_facts();
  probe.plan = plan_guest(facts, schedstat);
  if (!probe.plan.works()) return nothing_works(probe.plan);

  if (Status status = open_pins(probe, pin_directory); !status) return failure_from(status.error());
  const PinDirectory* pins = probe.pins.path().empty() ? nullptr : &probe.pins;
  Result<GuestPrograms> programs = GuestPrograms::load(probe.plan, cgroups_for(containers), pins);
  if (!programs) return failure_from(programs.error());
  probe.programs = std::make_unique<GuestPrograms>(*std::move(programs));
  probe.served = planned_figures(probe.plan);

  std::array<Unlearned, STATS> unlearned{};
  if (probe.plan.learn_stats) {
    const auto learned = learn_stats(*probe.programs, facts.memory_mount, probe.plan.unified_memory);
    if (learned) unlearned = *learned;
    if (!learned) probe.check_failure = learned.error().text;
  }
  probe.refusals = take_out_unfound(probe, unlearned, probe.served.memory_fields);
  const auto note = [&](Result<std::vector<Refusal>> refusals) {
    if (refusals) {
      probe.refusals.insert(probe.refusals.end(), refusals->begin(), refusals->end());
    } else {
      probe.check_failure = refusals.error().text;
    }
  };
  if (probe.plan.unified) {
    note(self_check_unified(*probe.programs, facts.unified_mount, probe.served));
    if (probe.plan.pressure) {
      note(self_check_pressure(*probe.programs, facts.unified_mount, probe.plan.possible_cpus, probe.served));
    }
    ServedFigures others = without_cpu(probe.served);
    note(self_check(*probe.programs, facts, others));
    probe.served.memory = others.memory;
    probe.served.memory_fields = others.memory_fields;
  } else {
    probe.refusals.push_back({"pressure (PSI)", "cgroup v1 does not count it", true});
    note(self_check(*probe.programs, facts, probe.served));
  }
  if (probe.served.processes) note(self_check_tasks(*probe.programs, probe.served));
  probe.served.schedstat = probe.served.schedstat && probe.served.processes;  // one walk gives both
  probe.collector = std::make_unique<Collector>(*probe.programs, probe.served, containers);
  GuestSources sources = GuestSources::open();
  probe.sources_lacking = sources.lacks();
  probe.collector->add(std::move(sources));
  probe.programs->rest();
  return probe;
}

std::vector<std::string> describe_lacks(const GuestProbe& probe) {
  std::vector<std::string> lines;
  for (const Need& need : probe.plan.needs) {
    if (!need.found)
      lines.push_back(fmt::format("no {}: without it {} is lost; {}", need.name, need.loses, need.remedy));
  }
  for (const Refusal& refusal : probe.refusals) {
    if (refusal.absent) continue;  // such a kernel has no such figure: check tells, nothing is amiss
    lines.push_back(fmt::format("{} is not served: {}", refusal.figure, refusal.text));
  }
  lines.insert(lines.end(), probe.sources_lacking.begin(), probe.sources_lacking.end());
  if (!probe.pin_failure.empty()) {
    lines.push_back(fmt::format("nothing is kept while guest-probe is not running: {}", probe.pin_failure));
  }
  if (!probe.check_failure.empty()) {
    lines.push_back(fmt::format("the figures could not be compared with the kernel's files: {}", probe.check_failure));
  }
  return lines;
}

}  // namespace katameter
