#include "guest-probe/self_check/self_check.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "guest-probe/self_check/check_cgroup.h"
#include "guest-probe/self_check/memory_files.h"

namespace katameter {
namespace {

Status read_files(const CheckCgroup& cgroup, const ServedFigures& served, FileFigures& figures) {
  const auto take = [](const Result<std::uint64_t>& value, std::uint64_t& target) -> Status {
    if (!value) return failure_from(value.error());
    target = *value;
    return {};
  };
  if (served.cpu) {
    if (Status status = take(cgroup.read_cpuacct("cpuacct.usage"), figures.cpu_usage_ns); !status) return status;
  }
  if (Status status = read_cpu_files(cgroup, served.cpu_fields, figures.cpu); !status) return status;
  if (!served.memory) return {};
  return read_memory_files(cgroup, served.memory_fields.unified, figures);
}

template <typename Record>
std::optional<Record> find_record(const Walk<Record>& walk, std::uint64_t id) {
  const auto found = std::find_if(walk.containers().begin(), walk.containers().end(),
                                  [&](const Record& record) { return record.id == id; });
  if (found == walk.containers().end()) return std::nullopt;
  return *found;
}

// Each hierarchy gives out its own ids.
std::uint64_t id_in(const CheckCgroup& cgroup, Hierarchy hierarchy) {
  switch (hierarchy) {
    case Hierarchy::cpuacct: return cgroup.cpuacct_id();
    case Hierarchy::cpu: return cgroup.cpu_id();
    case Hierarchy::pids: return cgroup.pids_id();
    case Hierarchy::unified:  // self_check_unified.h
    case Hierarchy::io:       // has no cgroup of its own here
    case Hierarchy::memory: break;
  }
  return cgroup.memory_id();
}

// Both reads of the files came before and after the walk, so the kernel has shown the cgroup's times once.
void settle_times(std::optional<cpu_record>& cpu, ServedFigures& served) {
  if (!cpu) return;
  served.cpu_times_scaled = ShownTimes::scales(*cpu);
  ShownTimes(served.cpu_times_scaled).settle(*cpu);
}

}  // namespace

std::vector<Refusal> compare(const std::optional<cpu_record>& cpu, const std::optional<memory_record>& memory,
                             const FileFigures& before, const FileFigures& after, ServedFigures& served) {
  std::vector<Refusal> refusals;
  const auto judge = [&](const char* name, std::optional<std::uint64_t> ours, std::uint64_t first, std::uint64_t second,
                         bool& serve) { judge_figure(refusals, name, ours, first, second, serve); };
  const auto judge_if_there = [&](const char* name, std::optional<std::uint64_t> ours,
                                  std::optional<std::uint64_t> FileFigures::*file, bool& serve) {
    if (serve && !(before.*file && after.*file)) {
      serve = false;
      refusals.push_back({name, "this kernel does not count it, or was told not to", true});
      return;
    }
    judge(name, ours, (before.*file).value_or(0), (after.*file).value_or(0), serve);
  };
  const auto page = static_cast<std::uint64_t>(getpagesize());
  const auto figure = [&](auto member, std::uint64_t unit) -> std::optional<std::uint64_t> {
    if (!memory) return std::nullopt;
    return (*memory).*member * unit;
  };
  const auto events = [&](int index) -> std::optional<std::uint64_t> {
    if (!memory || memory->stat[index] < 0) return std::nullopt;
    return static_cast<std::uint64_t>(memory->stat[index]);
  };
  const auto stat = [&](int index) -> std::optional<std::uint64_t> {
    const auto pages = events(index);
    return pages ? std::optional(*pages * page) : std::nullopt;
  };

  judge("cpu_usage_ns", cpu ? std::optional(cpu->usage_ns) : std::nullopt, before.cpu_usage_ns, after.cpu_usage_ns,
        served.cpu);
  compare_cpu(cpu, before.cpu, after.cpu, served.cpu_fields, refusals);
  if (!served.memory) return refusals;
  MemoryFields& fields = served.memory_fields;
  judge("memory_usage_bytes", figure(&memory_record::usage_pages, page), before.usage_bytes, after.usage_bytes,
        fields.usage);
  judge("memory_peak_bytes", figure(&memory_record::peak_pages, page), before.peak_bytes,
        after.peak_has_file ? after.peak_bytes : after.limit_bytes, fields.peak);
  judge("memory_limit_bytes", figure(&memory_record::limit_pages, page), before.limit_bytes, after.limit_bytes,
        fields.limit);
  judge("memory_failcnt", figure(&memory_record::failcnt, 1), before.failcnt, after.failcnt, fields.failcnt);
  judge("oom_kills", figure(&memory_record::oom_kills, 1), before.oom_kills, after.oom_kills, fields.oom_kills);
  judge("memory_rss_bytes", stat(STAT_ANON), before.rss_bytes, after.rss_bytes, fields.rss);
  judge("memory_cache_bytes", stat(STAT_FILE), before.cache_bytes, after.cache_bytes, fields.cache);
  judge("memory_working_set_bytes", stat(STAT_INACTIVE_FILE), before.inactive_file_bytes, after.inactive_file_bytes,
        fields.inactive_file);
  judge_if_there("memory_active_file_bytes", stat(STAT_ACTIVE_FILE), &FileFigures::active_file_bytes,
                 fields.active_file);
  judge_if_there("memory_mapped_file_bytes", stat(STAT_MAPPED_FILE), &FileFigures::mapped_file_bytes,
                 fields.mapped_file);
  judge_if_there("page_faults", events(STAT_FAULTS), &FileFigures::page_faults, fields.page_faults);
  judge_if_there("major_page_faults", events(STAT_MAJOR_FAULTS), &FileFigures::major_page_faults,
                 fields.major_page_faults);
  const auto either = [&](std::optional<std::uint64_t> v1, std::optional<std::uint64_t> v2) {
    return fields.unified ? v2 : v1;
  };
  judge_if_there("memory_swap_bytes", either(stat(STAT_SWAP), figure(&memory_record::swap_pages, page)),
                 &FileFigures::swap_bytes, fields.swap);
  judge_if_there("memory_kernel_bytes", either(figure(&memory_record::kernel_pages, page), stat(STAT_KERNEL)),
                 &FileFigures::kernel_bytes, fields.kernel);
  judge_if_there("memory_swap_limit_bytes", figure(&memory_record::swap_limit_pages, page),
                 &FileFigures::swap_limit_bytes, fields.swap_limit);
  judge_if_there("memory_reservation_bytes",
                 either(figure(&memory_record::soft_limit_pages, page), figure(&memory_record::min_pages, page)),
                 &FileFigures::reservation_bytes, fields.reservation);
  const auto at_least = [&](const char* name, int index, std::uint64_t least, bool& serve) {
    if (!serve || !memory) return;
    const std::int64_t ours = memory->stat[index] + memory->pending[index];
    if (ours >= static_cast<std::int64_t>(least)) return;
    serve = false;
    refusals.push_back({name, fmt::format("a process holds {}, BPF read {}", least, ours)});
  };
  at_least("memory_rss_bytes", STAT_ANON, before.held_anonymous_bytes / page, fields.rss);
  at_least("memory_cache_bytes", STAT_FILE, before.held_file_bytes / page, fields.cache);
  at_least("memory_mapped_file_bytes", STAT_MAPPED_FILE, before.held_file_bytes / page, fields.mapped_file);
  at_least("page_faults", STAT_FAULTS, before.held_anonymous_bytes > 0 ? 1 : 0, fields.page_faults);
  return refusals;
}

Result<std::vector<Refusal>> self_check(GuestPrograms& programs, const KernelFacts& facts, ServedFigures& served) {
  const auto if_served = [](bool is_served, const std::string& mount) { return is_served ? mount : std::string(); };
  const Result<CheckCgroup> cgroup = CheckCgroup::make(
      if_served(served.cpu, facts.cpuacct_mount), if_served(served.memory, facts.memory_mount),
      if_served(served.cpu_fields.shares, facts.cpu_mount), if_served(served.cpu_fields.threads, facts.pids_mount));
  if (!cgroup) return failure_from(cgroup.error());

  FileFigures before;
  FileFigures after;
  before.held_anonymous_bytes = CheckCgroup::kept_bytes;
  before.held_file_bytes = CheckCgroup::file_bytes;
  std::optional<cpu_record> cpu;
  std::optional<memory_record> memory;
  if (Status status = read_files(*cgroup, served, before); !status) return failure_from(status.error());
  for (const Hierarchy hierarchy : served.cpu_walks) {
    const Result<Walk<cpu_record>> walk = programs.walk_cpu(hierarchy);
    if (!walk) return failure_from(walk.error());
    if (const auto record = find_record(*walk, id_in(*cgroup, hierarchy))) join_records(cpu, *record);
  }
  if (served.memory) {
    const Result<Walk<memory_record>> walk = programs.walk_memory();
    if (!walk) return failure_from(walk.error());
    memory = find_record(*walk, cgroup->memory_id());
  }
  if (Status status = read_files(*cgroup, served, after); !status) return failure_from(status.error());
  settle_times(cpu, served);
  return compare(cpu, memory, before, after, served);
}

}  // namespace katameter
