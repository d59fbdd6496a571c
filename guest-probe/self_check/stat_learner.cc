#include "guest-probe/self_check/stat_learner.h"

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
    stats[stat] = *(*values)[i] / (is_event(stat) ? 1 : page);
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

bool RetryPace::is_due(bool new_cgroups) {
  if (new_cgroups && restarts_left_ > 0) {
    --restarts_left_;
    snapshots_ = 0;
  }
  ++snapshots_;
  return snapshots_ < max_distance ? std::has_single_bit(snapshots_) : snapshots_ % max_distance == 0;
}

StatLearner::StatLearner(GuestPrograms& programs, std::string mount, bool unified, bool learns)
    : programs_(programs), mount_(std::move(mount)), unified_(unified), tries_(learns), learns_(learns) {
  lesson_.places.fill(-1);
}

// Those that are in memory.stat, and were not found.
bool StatLearner::is_wanted(std::size_t stat) const {
  return is_in_stat(stat, unified_) && !programs_.has_stat(static_cast<int>(stat)) &&
         lesson_.why[stat] != Unlearned::no_line;
}

bool StatLearner::is_unclear() const {
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    const bool unclear = lesson_.why[stat] == Unlearned::nowhere || lesson_.why[stat] == Unlearned::ambiguous;
    if (unclear && is_wanted(stat)) return true;
  }
  return false;
}

void StatLearner::add_samples(std::span<const std::string> directories, int attempts) {
  for (const std::string& directory : directories) {
    if (const auto sample = take_sample(programs_, directory, unified_, attempts)) learning_.add(*sample);
  }
  lesson_ = learning_.lesson();
}

bool StatLearner::place_learned(FigureSet& served) {
  bool any_learned = false;
  bool any_wanted = false;
  StatPlaces places{};
  places.fill(-1);
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    if (!is_wanted(stat)) continue;
    any_wanted = any_wanted || lesson_.why[stat] != Unlearned::learned;
    if (lesson_.why[stat] != Unlearned::learned) continue;
    places[stat] = lesson_.places[stat];
    any_learned = true;
    for (std::size_t i = 0; i < figure::count; ++i) {
      if (stat_of(i, unified_) != static_cast<int>(stat)) continue;
      served.add(i);
      log_debug("found where the kernel keeps a memory.stat value", {{"name", wire::container_figures[i].name}});
    }
  }
  if (any_learned) programs_.place_stats(places);
  if (!any_wanted) {
    learns_ = false;
    programs_.end_learning();
  }
  return any_learned;
}

void StatLearner::learn_at_start(const std::string& own, FigureSet& served) {
  if (!learns_) return;
  // The cgroup of our own is one of those below the root.
  std::vector<std::string> directories = directories_below(programs_, mount_);
  directories.push_back(mount_);
  if (!own.empty()) directories.push_back(own);
  for (int round = 0; round == 0 || (round < rounds_at_start && is_unclear()); ++round) {
    add_samples(directories, attempts_at_start);
  }
  place_learned(served);
}

bool StatLearner::try_again(std::span<const std::string> memory_directories, FigureSet& served) {
  const auto some = memory_directories.first(std::min(memory_directories.size(), max_containers));
  bool learned = false;
  if (learns_) {
    add_samples(std::span(&mount_, 1), attempts_later);
    add_samples(some, attempts_later);
    learned = place_learned(served);
  }
  if (compares_) compare(some, served);
  programs_.close_iterators();
  return learned;
}

void StatLearner::compare(std::span<const std::string> directories, FigureSet& served) {
  for (const std::string& directory : directories) {
    const auto differences = compare_living(programs_, directory, unified_, served);
    if (!differences) continue;  // it did not hold still, or is gone
    differences_ = *differences;
    compares_ = false;
    log_info("the memory values were compared with the kernel's files", {{"directory", directory}});
    for (const Refusal& refusal : differences_) {
      if (!refusal.absent) log_warning("not served", {{"name", refusal.figure}, {"error", refusal.text}});
    }
    return;
  }
}

std::vector<Refusal> StatLearner::refusals() const {
  std::vector<Refusal> refusals = differences_;
  for (std::size_t i = 0; i < figure::count; ++i) {
    const int stat = stat_of(i, unified_);
    if (stat < 0 || programs_.has_stat(stat)) continue;
    const std::string name(wire::container_figures[i].name);
    if (!tries_) {
      refusals.push_back({name, "this kernel does not count it in cgroup v2", true});  // kernel memory, before 5.18
      continue;
    }
    switch (lesson_.why[static_cast<std::size_t>(stat)]) {
      case Unlearned::no_line: refusals.push_back({name, "this kernel does not count it", true}); break;
      case Unlearned::always_0:
        refusals.push_back({name, "none so far: it is served from the snapshot on in which a cgroup has any", true});
        break;
      default:
        refusals.push_back(
            {name,
             "where the kernel keeps it is not known yet: " + describe(lesson_.why[static_cast<std::size_t>(stat)]),
             false, "nothing: a guest-probe that runs goes on looking, in the containers' memory.stat"});
    }
  }
  return refusals;
}

}  // namespace katameter::guest
