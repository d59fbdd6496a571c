#include "guest-probe/self_check/self_check_memory.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "guest-probe/self_check/memory_files.h"

namespace katameter {
namespace {

constexpr int attempts_at_living = 3;

}  // namespace

void compare_memory(const std::optional<memory_record>& memory, const FileFigures& before, const FileFigures& after,
                    MemoryFields& fields, std::vector<Refusal>& refusals) {
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
}

std::optional<std::vector<Refusal>> compare_living(GuestPrograms& programs, const std::string& directory,
                                                   MemoryFields& fields) {
  struct stat found {};
  if (stat(directory.c_str(), &found) != 0) return std::nullopt;
  for (int attempt = 0; attempt < attempts_at_living; ++attempt) {
    FileFigures before;
    FileFigures after;
    if (!read_memory_files(directory, fields.unified, before)) return std::nullopt;
    const Result<Walk<memory_record>> walk = programs.walk_memory();
    if (!walk) return std::nullopt;
    const auto containers = walk->containers();
    const auto record = std::find_if(containers.begin(), containers.end(),
                                     [&](const memory_record& each) { return each.id == found.st_ino; });
    if (record == containers.end()) return std::nullopt;
    if (!read_memory_files(directory, fields.unified, after)) return std::nullopt;
    if (before != after) continue;
    // These two have no file of their own: with cgroup v2 there was none for failcnt before 6.15, v1 leaves the kills of
    // nested cgroups to these.
    MemoryFields compared = fields;
    compared.failcnt = compared.oom_kills = false;
    std::vector<Refusal> refusals;
    compare_memory(*record, before, after, compared, refusals);
    compared.failcnt = fields.failcnt;
    compared.oom_kills = fields.oom_kills;
    fields = compared;
    return refusals;
  }
  return std::nullopt;
}

}  // namespace katameter
