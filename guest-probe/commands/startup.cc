#include "guest-probe/commands/startup.h"

#include <fmt/core.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "guest-probe/account/figure_sources.h"
#include "guest-probe/bpf/facts.h"
#include "guest-probe/self_check/check_cgroup.h"
#include "guest-probe/self_check/self_check.h"
#include "userspace/wire/codec.h"

namespace katameter::guest {
namespace {

// Reports the first missing requirement: later ones depend on it.
tl::unexpected<Error> nothing_works(const GuestPlan& plan) {
  for (const Requirement& requirement : plan.requirements) {
    if (!requirement.found) {
      return tl::make_unexpected(
          Error{ENOSYS, fmt::format("{} cannot be had: {}", requirement.name, requirement.remedy)});
    }
  }
  return tl::make_unexpected(Error{ENOSYS, "this kernel gives no figure; see guest-probe check"});
}

ServedFigures planned_figures(const GuestPlan& plan) {
  ServedFigures served;
  const auto add_if = [&](bool planned, FigureGroup group) {
    if (planned) served.figures.add(group);
  };
  add_if(plan.cpu, FigureGroup::cpu);
  add_if(plan.bandwidth, FigureGroup::bandwidth);
  add_if(plan.tasks, FigureGroup::pids);
  add_if(plan.cpuset, FigureGroup::cpuset);
  add_if(plan.memory, FigureGroup::memory);
  add_if(plan.hugetlb, FigureGroup::hugetlb);
  if (plan.memory_nodes != 0) served.figures.add(FigureGroup::numa);
  for (std::size_t i = 0; i < figure::count; ++i) {
    if (wire::container_figures[i].group != FigureGroup::numa) continue;
    const int node = figure_sources[i].index / NUMA_TYPES;
    if ((plan.memory_nodes >> node & 1) == 0) served.figures.remove(i);
  }
  add_if(plan.memory && plan.stalls, FigureGroup::reclaim);
  add_if(plan.tasks_walk, FigureGroup::processes);
  add_if(plan.mkdir_times || plan.tasks_walk, FigureGroup::start);
  add_if(plan.open_files, FigureGroup::open_files);
  add_if(plan.schedstat, FigureGroup::schedstat);
  add_if(plan.io_calls, FigureGroup::io_calls);
  add_if(plan.virtiofs, FigureGroup::virtiofs);
  add_if(plan.virtiofs_answers, FigureGroup::virtiofs_answers);
  served.memory = plan.memory;
  served.unified_memory = plan.unified_memory;
  if (plan.cpu) served.cpu_walks.push_back(plan.unified ? Hierarchy::unified : Hierarchy::cpuacct);
  served.cpu_times_scaled = plan.unified;
  if (plan.walk_cpu) served.cpu_walks.push_back(Hierarchy::cpu);
  if (plan.walk_pids) served.cpu_walks.push_back(Hierarchy::pids);
  if (plan.walk_cpuset) served.cpu_walks.push_back(Hierarchy::cpuset);
  served.tasks_hierarchy = static_cast<Hierarchy>(plan.tasks_hierarchy);
  served.io = plan.io;
  served.io_among_memory = !plan.io_v1 && plan.unified_memory;
  served.hugetlb_among_memory = !plan.hugetlb_v1 && plan.unified_memory;
  return served;
}

// What stands in memory.stat and is not known to be in any of the kernel's arrays is not served.
void take_out_unfound(const GuestPrograms& programs, ServedFigures& served) {
  for (std::size_t i = 0; i < figure::count; ++i) {
    const int stat = stat_of(i, served.unified_memory);
    if (stat >= 0 && !programs.has_stat(stat)) served.figures.remove(i);
  }
}

CheckCgroup::Mounts mounts_to_check(const KernelFacts& facts, const GuestPlan& plan, const ServedFigures& served) {
  CheckCgroup::Mounts mounts;
  if (served.memory) mounts.memory = facts.memory_mount;
  if (plan.unified || plan.pressure) {
    mounts.cpuacct = facts.unified_mount;
    return mounts;
  }
  if (served.has(FigureGroup::cpu)) mounts.cpuacct = facts.cpuacct_mount;
  if (served.has(FigureGroup::bandwidth)) mounts.cpu = facts.cpu_mount;
  if (served.has(FigureGroup::pids)) mounts.pids = facts.pids_mount;
  return mounts;
}

void compare_with_files(GuestProbe& probe, const CheckCgroup& cgroup) {
  const auto note = [&](Result<std::vector<Mismatch>> mismatches) {
    if (mismatches) {
      probe.mismatches.insert(probe.mismatches.end(), mismatches->begin(), mismatches->end());
    } else {
      probe.check_failure = mismatches.error().text;
    }
  };
  note(check_cpu(*probe.programs, cgroup, probe.served));
  note(check_memory(*probe.programs, cgroup, probe.served));
  if (probe.plan.pressure) {
    note(check_pressure(*probe.programs, cgroup, probe.plan.possible_cpus, probe.served));
  }
}

// Resolves what it can and compares; what has to wait for a container, the resolver has to do then.
void check_with_cgroup(GuestProbe& probe, const KernelFacts& facts) {
  const Result<CheckCgroup> cgroup = CheckCgroup::make(mounts_to_check(facts, probe.plan, probe.served));
  const bool has_memory = cgroup && cgroup->has_memory();
  // Without one, what the process uses where it is makes values of the root differ that are often the same.
  std::optional<Result<CheckCgroup>> only_process;
  if (!cgroup) only_process.emplace(CheckCgroup::make({}));
  probe.resolver = std::make_unique<StatIndexResolver>(*probe.programs, facts.memory_mount, probe.plan.unified_memory,
                                                       probe.plan.resolves_stats);
  take_out_unfound(*probe.programs, probe.served);
  probe.resolver->resolve_at_start(has_memory ? cgroup->directories().memory : "", probe.served.figures);
  if (probe.served.memory && !has_memory) probe.resolver->compare_later();
  if (cgroup) {
    compare_with_files(probe, *cgroup);
  } else {
    probe.check_failure = cgroup.error().text;
  }
}

// What is absent by choice, or by the kernel that there is; a program that was refused is in the plan.
void note_uncounted_virtiofs(const KernelFacts& facts, GuestProbe& probe) {
  const VirtiofsMode wanted = probe.plan.wanted.virtiofs;
  const auto absent = [&](const char* what, const char* why) { probe.mismatches.push_back({what, why, true}); };
  if (wanted == VirtiofsMode::off) {
    absent("virtiofs requests", "--virtiofs=off");
  } else if (!facts.fuse_requests) {
    absent("virtiofs requests", "this kernel has no tracepoints of FUSE requests (6.12, CONFIG_VIRTIO_FS=y)");
  } else if (wanted == VirtiofsMode::counts) {
    absent("virtiofs answers", "--virtiofs=counts");
  } else if (wanted == VirtiofsMode::automatic && !facts.direct_reads) {
    absent("virtiofs answers", "without the BPF JIT they cost too much unless asked for: --virtiofs=all");
  }
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

Result<GuestProbe> start_guest_probe(std::size_t containers, const std::string& pin_directory, const Wanted& wanted,
                                     const LoadOptions& options) {
  GuestProbe probe;
  const KernelFacts facts = read_kernel_facts();
  Wanted all = wanted;
  all.network = network_counters();
  probe.plan = plan_guest(facts, all);
  if (!probe.plan.works()) return nothing_works(probe.plan);

  if (Status status = open_pins(probe, pin_directory); !status) return failure_from(status.error());
  const PinDirectory* pins = probe.pins.path().empty() ? nullptr : &probe.pins;
  Result<GuestPrograms> programs = GuestPrograms::load(probe.plan, cgroups_for(containers), pins, options);
  if (!programs) return failure_from(programs.error());
  probe.plan = programs->take_plan();
  probe.programs = std::make_unique<GuestPrograms>(*std::move(programs));
  probe.served = planned_figures(probe.plan);

  note_uncounted_virtiofs(facts, probe);
  if (facts.cpuacct_v1) probe.mismatches.push_back({"pressure (PSI)", "cgroup v1 does not count it", true});
  check_with_cgroup(probe, facts);
  if (probe.served.has(figure::processes)) {
    const auto mismatches = self_check_tasks(*probe.programs, probe.served);
    if (mismatches) probe.mismatches.insert(probe.mismatches.end(), mismatches->begin(), mismatches->end());
    if (!mismatches) probe.check_failure = mismatches.error().text;
  }
  // The walk of tasks gives all of them.
  if (!probe.served.has(figure::processes)) {
    probe.served.figures.remove(FigureGroup::schedstat);
    probe.served.figures.remove(FigureGroup::io_calls);
    probe.served.figures.remove(FigureGroup::open_files);
  }
  probe.collector = std::make_unique<Collector>(*probe.programs, probe.served, containers);
  GuestSources sources = GuestSources::open();
  probe.missing_sources = sources.missing();
  probe.collector->add(std::move(sources));
  probe.collector->add(*probe.resolver);
  probe.programs->close_iterators();
  return probe;
}

std::vector<Mismatch> mismatches_of(const GuestProbe& probe) {
  std::vector<Mismatch> mismatches = probe.mismatches;
  if (!probe.plan.memory_stat) return mismatches;  // reported once, by the plan
  const std::vector<Mismatch> of_memory = probe.resolver->mismatches();
  mismatches.insert(mismatches.end(), of_memory.begin(), of_memory.end());
  return mismatches;
}

std::vector<std::string> missing_features_of(const GuestProbe& probe) {
  std::vector<std::string> missing = probe.plan.missing_features();
  for (const Mismatch& mismatch : mismatches_of(probe)) missing.push_back(mismatch.figure);
  if (!probe.check_failure.empty() || probe.resolver->compares_later())
    missing.emplace_back("comparison with the files");
  return missing;
}

std::vector<std::string> describe_missing(const GuestProbe& probe) {
  std::vector<std::string> lines;
  for (const Requirement& requirement : probe.plan.requirements) {
    if (requirement.found) continue;
    if (requirement.log.empty()) {
      lines.push_back(
          fmt::format("no {}: without it {} is lost; {}", requirement.name, requirement.impact, requirement.remedy));
    } else {
      lines.push_back(fmt::format("{} was refused by this kernel ({}): without it {} is lost; {}", requirement.name,
                                  requirement.log.front(), requirement.impact, requirement.remedy));
    }
  }
  for (const Mismatch& mismatch : mismatches_of(probe)) {
    if (mismatch.absent) continue;  // `check` reports it; nothing is wrong
    lines.push_back(fmt::format("{} is not served: {}", mismatch.figure, mismatch.text));
  }
  lines.insert(lines.end(), probe.missing_sources.begin(), probe.missing_sources.end());
  if (!probe.pin_failure.empty()) {
    lines.push_back(fmt::format("nothing is kept while guest-probe is not running: {}", probe.pin_failure));
  }
  if (!probe.check_failure.empty()) {
    lines.push_back(fmt::format("the figures could not be compared with the kernel's files: {}", probe.check_failure));
  }
  if (probe.resolver->compares_later()) lines.emplace_back(compares_later_text);
  return lines;
}

wire::Hello make_hello(const GuestProbe& probe) {
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> hello.boot_id;
  utsname system{};
  if (uname(&system) == 0) hello.kernel = system.release;
  hello.instance = std::to_string(probe.programs->state().instance_ns);
  hello.lacks = missing_features_of(probe);
  // A host takes no more.
  hello.lacks.resize(std::min(hello.lacks.size(), wire::Limits{}.lacks));
  return hello;
}

}  // namespace katameter::guest
