#include "guest-probe/self_check/stat_learning.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <string_view>

#include "guest-probe/self_check/check_cgroup.h"

namespace katameter {
namespace {

// A flush between two looks at a file is rare: every two seconds, and when much has changed.
constexpr int attempts = 20;
// On a busy guest a cgroup may not hold still for a sample, or change and change back within one.
constexpr int lessons_at_most = 3;
constexpr std::size_t others_at_most = 8;

struct Line {
  int stat;
  std::string_view v1;
  std::string_view v2;
};

constexpr std::array<Line, STATS> lines{{{STAT_ANON, "total_rss", "anon"},
                                         {STAT_FILE, "total_cache", "file"},
                                         {STAT_INACTIVE_FILE, "total_inactive_file", "inactive_file"},
                                         {STAT_ACTIVE_FILE, "total_active_file", "active_file"},
                                         {STAT_MAPPED_FILE, "total_mapped_file", "file_mapped"},
                                         {STAT_SWAP, "total_swap", ""},
                                         {STAT_KERNEL, "", "kernel"},
                                         {STAT_FAULTS, "total_pgfault", "pgfault"},
                                         {STAT_MAJOR_FAULTS, "total_pgmajfault", "pgmajfault"}}};

bool is_event(std::size_t stat) {
  return stat >= STAT_FAULTS;
}

std::array<std::optional<std::uint64_t>, STATS> read_file(const std::string& directory, bool unified) {
  std::ifstream in(directory + "/memory.stat");
  std::map<std::string, std::uint64_t, std::less<>> table;
  std::string key;
  for (std::uint64_t value = 0; in >> key >> value;) table[key] = value;
  std::array<std::optional<std::uint64_t>, STATS> figures;
  const auto page = static_cast<std::uint64_t>(getpagesize());
  for (const Line& line : lines) {
    const auto stat = static_cast<std::size_t>(line.stat);
    const auto found = table.find(unified ? line.v2 : line.v1);
    if (found != table.end()) figures[stat] = found->second / (is_event(stat) ? 1 : page);
  }
  return figures;
}

// The file brings the arrays up to date before it shows them.
std::optional<StatSample> take_sample(const StatTables& tables, const std::string& directory, bool unified) {
  struct stat found {};
  if (stat(directory.c_str(), &found) != 0) return std::nullopt;
  for (int i = 0; i < attempts; ++i) {
    StatSample sample{.file = read_file(directory, unified), .arrays = {}};
    Result<StatArrays> arrays = tables.read(found.st_ino);
    if (!arrays) return std::nullopt;
    if (read_file(directory, unified) != sample.file) continue;
    sample.arrays = *std::move(arrays);
    return sample;
  }
  return std::nullopt;
}

std::vector<std::string> directories_below(GuestPrograms& programs, const std::string& mount) {
  std::vector<std::string> directories;
  const auto names = programs.walk_names(Hierarchy::memory);
  if (!names) return directories;
  for (const name_record& record : *names) {
    if (record.depth != 1 || directories.size() == others_at_most) continue;
    directories.push_back(mount + "/" + std::string(record.name, strnlen(record.name, sizeof(record.name))));
  }
  return directories;
}

std::vector<StatSample> take_samples(GuestPrograms& programs, const StatTables& tables, const std::string& mount,
                                     const CheckCgroup& own, bool unified) {
  // The cgroup of our own is one of those below the root.
  std::vector<std::string> directories = directories_below(programs, mount);
  directories.push_back(mount);
  directories.push_back(own.memory_directory());
  std::vector<StatSample> samples;
  for (const std::string& directory : directories) {
    if (auto sample = take_sample(tables, directory, unified)) samples.push_back(*std::move(sample));
  }
  return samples;
}

// Whether a position holds in every sample what the file showed.
bool fits(std::span<const StatSample> samples, std::size_t stat, std::size_t place) {
  return std::all_of(samples.begin(), samples.end(), [&](const StatSample& sample) {
    const auto& array = is_event(stat) ? sample.arrays.events : sample.arrays.pages;
    return place < array.size() && array[place] == static_cast<std::int64_t>(*sample.file[stat]);
  });
}

Unlearned find_place(std::span<const StatSample> samples, std::size_t stat, int& found) {
  const auto has_line = [&](const StatSample& sample) { return sample.file[stat].has_value(); };
  if (samples.empty() || !std::all_of(samples.begin(), samples.end(), has_line)) return Unlearned::no_line;
  if (std::all_of(samples.begin(), samples.end(), [&](const StatSample& sample) { return *sample.file[stat] == 0; })) {
    return Unlearned::always_0;
  }
  const auto& arrays = samples.front().arrays;
  const std::size_t places = is_event(stat) ? arrays.events.size() : arrays.pages.size();
  for (std::size_t place = 0; place < places; ++place) {
    if (!fits(samples, stat, place)) continue;
    if (found >= 0) return Unlearned::ambiguous;
    found = static_cast<int>(place);
  }
  return found < 0 ? Unlearned::nowhere : Unlearned::learned;
}

}  // namespace

StatLesson learn_places(std::span<const StatSample> samples) {
  StatLesson lesson;
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    int place = -1;
    lesson.why[stat] = find_place(samples, stat, place);
    lesson.places[stat] = place;
  }
  for (std::size_t one = 0; one < STATS; ++one) {
    for (std::size_t other = one + 1; other < STATS; ++other) {
      const bool same = lesson.places[one] >= 0 && lesson.places[one] == lesson.places[other];
      if (same && is_event(one) == is_event(other)) lesson.why[one] = lesson.why[other] = Unlearned::ambiguous;
    }
  }
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    if (lesson.why[stat] != Unlearned::learned) lesson.places[stat] = -1;
  }
  return lesson;
}

std::string describe(Unlearned why) {
  switch (why) {
    case Unlearned::learned:
    case Unlearned::not_tried: break;
    case Unlearned::no_line: return "memory.stat does not show it";
    case Unlearned::always_0: return "no cgroup had any when guest-probe started";
    case Unlearned::nowhere: return "no position of the kernel's array held what memory.stat showed";
    case Unlearned::ambiguous: return "several positions of the kernel's array held what memory.stat showed";
  }
  return "it was not tried";
}

Result<std::array<Unlearned, STATS>> learn_stats(GuestPrograms& programs, const std::string& mount, bool unified) {
  std::array<Unlearned, STATS> why{};
  const std::optional<StatTables> tables = programs.take_stat_tables();
  bool all_known = true;
  for (int stat = 0; stat < STATS; ++stat) all_known = all_known && programs.has_stat(stat);
  if (!tables || all_known) return why;

  const Result<CheckCgroup> own = CheckCgroup::make({}, mount);
  if (!own) return failure_from(own.error());
  const auto is_open = [&](const StatLesson& lesson) {
    for (std::size_t stat = 0; stat < STATS; ++stat) {
      const bool unclear = lesson.why[stat] == Unlearned::nowhere || lesson.why[stat] == Unlearned::ambiguous;
      if (unclear && !programs.has_stat(static_cast<int>(stat))) return true;
    }
    return false;
  };
  StatLesson lesson = learn_places(take_samples(programs, *tables, mount, *own, unified));
  for (int i = 1; i < lessons_at_most && is_open(lesson); ++i) {
    lesson = learn_places(take_samples(programs, *tables, mount, *own, unified));
  }
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    if (programs.has_stat(static_cast<int>(stat))) {
      lesson.places[stat] = -1;
      lesson.why[stat] = Unlearned::learned;
    }
  }
  if (Status status = tables->place(lesson.places); !status) return failure_from(status.error());
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    if (lesson.places[stat] >= 0) programs.learned_stat(static_cast<int>(stat));
  }
  return lesson.why;
}

}  // namespace katameter
