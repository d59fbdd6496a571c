#include "guest-probe/self_check/stat_indices.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "guest-probe/account/figure_sources.h"
#include "guest-probe/self_check/kernel_files.h"
#include "guest-probe/self_check/self_check.h"
#include "userspace/log.h"

namespace katameter::guest {
namespace {

std::bitset<STAT_ROOM> indices_of(const StatSample& sample, std::size_t stat) {
  std::bitset<STAT_ROOM> indices;
  const auto& array = is_event(stat) ? sample.arrays.events : sample.arrays.pages;
  const auto wanted = static_cast<std::int64_t>(*sample.file[stat]);
  for (std::size_t i = 0; i < std::min<std::size_t>(array.size(), STAT_ROOM); ++i) {
    indices[i] = array[i] == wanted;
  }
  return indices;
}

// A flush between two looks at a file is rare: every two seconds, and when much has changed.
constexpr int attempts_at_start = 20;
constexpr int attempts_later = 3;
// On a busy guest a cgroup may not hold still for a sample, or change and change back within one.
constexpr int rounds_at_start = 3;
constexpr std::size_t others_at_start = 8;
constexpr std::size_t max_distance = 64;

std::array<std::optional<std::uint64_t>, STATS> read_file(const std::string& directory, bool unified) {
  std::array<std::optional<std::uint64_t>, STATS> stats;
  CgroupDirectories directories;
  directories.memory = directory;
  directories.unified_memory = unified;
  FigureSet figures;
  for (std::size_t i = 0; i < figure::count; ++i) {
    if (stat_of(i, unified) >= 0) figures.add(i);
  }
  const Result<FigureValues> values = read_kernel_files(directories, figures);
  if (!values) return stats;
  const auto page = static_cast<std::uint64_t>(getpagesize());
  for (std::size_t i = 0; i < figure::count; ++i) {
    if (!figures.has(i) || !(*values)[i]) continue;
    const auto stat = static_cast<std::size_t>(stat_of(i, unified));
    stats[stat] = *(*values)[i] / stat_unit(stat, page);
  }
  return stats;
}

// The file brings the arrays up to date before it shows them.
std::optional<StatSample> take_sample(GuestPrograms& programs, const std::string& directory, bool unified,
                                      int attempts) {
  struct stat found {};
  if (stat(directory.c_str(), &found) != 0) return std::nullopt;
  auto before = read_file(directory, unified);
  if (!before[STAT_ANON]) return std::nullopt;  // no such file, or the cgroup is gone
  for (int i = 0; i < attempts; ++i) {
    Result<StatArrays> arrays = programs.read_stat_arrays(found.st_ino);
    if (!arrays) return std::nullopt;
    const auto after = read_file(directory, unified);
    if (after == before) return StatSample{before, *std::move(arrays)};
    before = after;
  }
  return std::nullopt;
}

std::vector<std::string> directories_below(GuestPrograms& programs, const std::string& mount) {
  std::vector<std::string> directories;
  const auto names = programs.walk_names(Hierarchy::memory);
  if (!names) return directories;
  for (const name_record& record : *names) {
    if (record.depth != 1 || directories.size() == others_at_start) continue;
    directories.push_back(mount + "/" + std::string(record.name, strnlen(record.name, sizeof(record.name))));
  }
  return directories;
}

}  // namespace

bool StatIndexProbe::is_at_index_of_another(std::size_t stat) const {
  if (figures_[stat].possible.count() != 1) return false;
  for (std::size_t other = 0; other < STATS; ++other) {
    const bool same = other != stat && figures_[other].possible == figures_[stat].possible;
    if (same && is_event(other) == is_event(stat)) return true;
  }
  return false;
}

bool StatIndexProbe::is_hopeless(std::size_t stat) const {
  return figures_[stat].tried && (figures_[stat].possible.none() || is_at_index_of_another(stat));
}

void StatIndexProbe::add(const StatSample& sample) {
  std::array<bool, STATS> again{};
  for (std::size_t stat = 0; stat < STATS; ++stat) again[stat] = is_hopeless(stat);
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    Figure& figure = figures_[stat];
    if (again[stat]) figure = Figure();
    figure.has_line = figure.has_line && sample.file[stat].has_value();
    if (!figure.has_line) continue;
    const std::bitset<STAT_ROOM> indices = indices_of(sample, stat);
    figure.possible = figure.tried ? figure.possible & indices : indices;
    figure.tried = true;
    figure.counted = figure.counted || *sample.file[stat] != 0;
  }
}

ResolvedIndices StatIndexProbe::resolved() const {
  ResolvedIndices result;
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    const Figure& figure = figures_[stat];
    Resolution& why = result.why[stat];
    result.indices[stat] = -1;
    if (!figure.has_line) {
      why = Resolution::no_line;
    } else if (!figure.tried) {
      why = Resolution::not_tried;
    } else if (!figure.counted) {
      why = Resolution::always_0;
    } else if (figure.possible.none()) {
      why = Resolution::nowhere;
    } else if (figure.possible.count() > 1 || is_at_index_of_another(stat)) {
      why = Resolution::ambiguous;
    } else {
      why = Resolution::resolved;
      while (!figure.possible[static_cast<std::size_t>(++result.indices[stat])]) {
      }
    }
  }
  return result;
}

std::string describe(Resolution why) {
  switch (why) {
    case Resolution::resolved:
    case Resolution::not_tried: break;
    case Resolution::no_line: return "memory.stat does not show it";
    case Resolution::always_0: return "no cgroup has had any so far";
    case Resolution::nowhere: return "no position of the kernel's array held what memory.stat showed";
    case Resolution::ambiguous: return "several positions of the kernel's array held what memory.stat showed";
  }
  return "no cgroup's memory.stat could be read";
}

bool RetryPace::is_due(bool new_cgroups) {
  if (new_cgroups && restarts_left_ > 0) {
    --restarts_left_;
    snapshots_ = 0;
  }
  ++snapshots_;
  return snapshots_ < max_distance ? std::has_single_bit(snapshots_) : snapshots_ % max_distance == 0;
}

StatIndexResolver::StatIndexResolver(GuestPrograms& programs, std::string mount, bool unified, bool resolves)
    : programs_(programs), mount_(std::move(mount)), unified_(unified), tries_(resolves), resolves_(resolves) {
  resolved_.indices.fill(-1);
}

// Those that are in memory.stat, and were not found.
bool StatIndexResolver::is_wanted(std::size_t stat) const {
  return is_resolvable(stat) && is_in_stat(stat, unified_) && !programs_.has_stat(static_cast<int>(stat)) &&
         resolved_.why[stat] != Resolution::no_line;
}

bool StatIndexResolver::is_unclear() const {
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    const bool unclear = resolved_.why[stat] == Resolution::nowhere || resolved_.why[stat] == Resolution::ambiguous;
    if (unclear && is_wanted(stat)) return true;
  }
  return false;
}

void StatIndexResolver::add_samples(std::span<const std::string> directories, int attempts) {
  for (const std::string& directory : directories) {
    if (const auto sample = take_sample(programs_, directory, unified_, attempts)) probe_.add(*sample);
  }
  resolved_ = probe_.resolved();
}

bool StatIndexResolver::apply_resolved(FigureSet& served) {
  bool any_resolved = false;
  bool any_wanted = false;
  StatIndices indices{};
  indices.fill(-1);
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    if (!is_wanted(stat)) continue;
    any_wanted = any_wanted || resolved_.why[stat] != Resolution::resolved;
    if (resolved_.why[stat] != Resolution::resolved) continue;
    indices[stat] = resolved_.indices[stat];
    any_resolved = true;
    for (std::size_t i = 0; i < figure::count; ++i) {
      if (stat_of(i, unified_) != static_cast<int>(stat)) continue;
      served.add(i);
      log_debug("found where the kernel keeps a memory.stat value", {{"name", wire::container_figures[i].name}});
    }
  }
  if (any_resolved) programs_.set_stat_indices(indices);
  if (!any_wanted) {
    resolves_ = false;
    programs_.end_resolving();
  }
  return any_resolved;
}

void StatIndexResolver::resolve_at_start(const std::string& own, FigureSet& served) {
  if (!resolves_) return;
  // The cgroup of our own is one of those below the root.
  std::vector<std::string> directories = directories_below(programs_, mount_);
  directories.push_back(mount_);
  if (!own.empty()) directories.push_back(own);
  for (int round = 0; round == 0 || (round < rounds_at_start && is_unclear()); ++round) {
    add_samples(directories, attempts_at_start);
  }
  apply_resolved(served);
}

bool StatIndexResolver::try_again(std::span<const std::string> memory_directories, FigureSet& served) {
  const auto some = memory_directories.first(std::min(memory_directories.size(), max_containers));
  bool any_resolved = false;
  if (resolves_) {
    add_samples(std::span(&mount_, 1), attempts_later);
    add_samples(some, attempts_later);
    any_resolved = apply_resolved(served);
  }
  if (compares_) compare(some, served);
  programs_.close_iterators();
  return any_resolved;
}

void StatIndexResolver::compare(std::span<const std::string> directories, FigureSet& served) {
  for (const std::string& directory : directories) {
    const auto differences = compare_living(programs_, directory, unified_, served);
    if (!differences) continue;  // it did not hold still, or is gone
    differences_ = *differences;
    compares_ = false;
    log_info("the memory values were compared with the kernel's files", {{"directory", directory}});
    for (const Mismatch& mismatch : differences_) {
      if (!mismatch.absent) log_warning("not served", {{"name", mismatch.figure}, {"error", mismatch.text}});
    }
    return;
  }
}

std::vector<Mismatch> StatIndexResolver::mismatches() const {
  std::vector<Mismatch> mismatches = differences_;
  for (std::size_t i = 0; i < figure::count; ++i) {
    const int stat = stat_of(i, unified_);
    if (stat < 0 || programs_.has_stat(stat)) continue;
    const std::string name(wire::container_figures[i].name);
    if (!tries_) {
      mismatches.push_back({name, "this kernel does not count it in cgroup v2", true});  // kernel memory, before 5.18
      continue;
    }
    if (!is_resolvable(static_cast<std::size_t>(stat))) {
      mismatches.push_back({name, "this kernel does not show where it keeps it (CONFIG_KALLSYMS_ALL)", true});
      continue;
    }
    switch (resolved_.why[static_cast<std::size_t>(stat)]) {
      case Resolution::no_line: mismatches.push_back({name, "this kernel does not count it", true}); break;
      case Resolution::always_0:
        mismatches.push_back({name, "none so far: it is served from the snapshot on in which a cgroup has any", true});
        break;
      default:
        mismatches.push_back(
            {name,
             "where the kernel keeps it is not known yet: " + describe(resolved_.why[static_cast<std::size_t>(stat)]),
             false, "nothing: a guest-probe that runs goes on looking, in the containers' memory.stat"});
    }
  }
  return mismatches;
}

}  // namespace katameter::guest
