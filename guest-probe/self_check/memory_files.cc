#include "guest-probe/self_check/memory_files.h"

#include <map>
#include <string>

#include "guest-probe/self_check/cgroup_files.h"

namespace katameter {
namespace {

using Table = std::map<std::string, std::uint64_t>;

std::optional<std::uint64_t> find(const Table& table, const char* key) {
  const auto found = table.find(key);
  return found == table.end() ? std::nullopt : std::optional(found->second);
}

// A file that not every kernel has.
std::optional<std::uint64_t> read_if_there(const std::string& directory, const char* file) {
  const Result<std::uint64_t> value = read_number(directory + "/" + file);
  return value ? std::optional(*value) : std::nullopt;
}

Status take(const Result<std::uint64_t>& value, std::uint64_t& target) {
  if (!value) return failure_from(value.error());
  target = *value;
  return {};
}

// v1's keys with what is below the cgroup begin with "total_"; v2 has no others.
void take_stat(const Table& stat, bool unified, FileFigures& figures) {
  const auto value = [&](const char* v1, const char* v2) { return find(stat, unified ? v2 : v1); };
  figures.rss_bytes = value("total_rss", "anon").value_or(0);
  figures.cache_bytes = value("total_cache", "file").value_or(0);
  figures.inactive_file_bytes = value("total_inactive_file", "inactive_file").value_or(0);
  figures.active_file_bytes = value("total_active_file", "active_file");
  figures.mapped_file_bytes = value("total_mapped_file", "file_mapped");
  figures.page_faults = value("total_pgfault", "pgfault");
  figures.major_page_faults = value("total_pgmajfault", "pgmajfault");
}

Status read_v1(const std::string& directory, const Table& stat, FileFigures& figures) {
  if (Status status = take(read_number(directory + "/memory.usage_in_bytes"), figures.usage_bytes); !status)
    return status;
  if (Status status = take(read_number(directory + "/memory.max_usage_in_bytes"), figures.peak_bytes); !status)
    return status;
  if (Status status = take(read_number(directory + "/memory.limit_in_bytes"), figures.limit_bytes); !status)
    return status;
  if (Status status = take(read_number(directory + "/memory.failcnt"), figures.failcnt); !status) return status;
  const auto control = read_table(directory + "/memory.oom_control");
  if (!control) return failure_from(control.error());
  figures.oom_kills = find(*control, "oom_kill").value_or(0);
  figures.swap_bytes = find(stat, "total_swap");
  figures.kernel_bytes = read_if_there(directory, "memory.kmem.usage_in_bytes");
  figures.swap_limit_bytes = read_if_there(directory, "memory.memsw.limit_in_bytes");
  figures.reservation_bytes = read_if_there(directory, "memory.soft_limit_in_bytes");
  return {};
}

Status read_v2(const std::string& directory, const Table& stat, FileFigures& figures) {
  if (Status status = take(read_number(directory + "/memory.current"), figures.usage_bytes); !status) return status;
  if (Status status = take(read_number(directory + "/memory.max"), figures.limit_bytes); !status) return status;
  const auto events = read_table(directory + "/memory.events");
  if (!events) return failure_from(events.error());
  // Has counted the same as failcnt in a cgroup that nothing but ourselves has been in: nothing.
  figures.failcnt = find(*events, "max").value_or(0);
  figures.oom_kills = find(*events, "oom_kill").value_or(0);
  // memory.peak came with 5.19, the counter is there before; what it cannot be below is what is used now.
  figures.peak_bytes = read_if_there(directory, "memory.peak").value_or(figures.usage_bytes);
  figures.peak_has_file = read_if_there(directory, "memory.peak").has_value();
  figures.swap_bytes = read_if_there(directory, "memory.swap.current");
  figures.kernel_bytes = find(stat, "kernel");
  figures.swap_limit_bytes = read_if_there(directory, "memory.swap.max");
  figures.reservation_bytes = read_if_there(directory, "memory.min");
  return {};
}

}  // namespace

Status read_memory_files(const std::string& directory, bool unified, FileFigures& figures) {
  const auto stat = read_table(directory + "/memory.stat");
  if (!stat) return failure_from(stat.error());
  take_stat(*stat, unified, figures);
  return unified ? read_v2(directory, *stat, figures) : read_v1(directory, *stat, figures);
}

}  // namespace katameter
