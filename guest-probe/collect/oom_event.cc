#include "guest-probe/collect/oom_event.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "guest-probe/containers/containers.h"

namespace katameter::guest {
namespace {

// Of the victim's cgroup, or of the one that is `level` above it.
std::string path_of(const oom_record& record, std::uint32_t above = 0) {
  std::string path;
  const std::uint32_t names = std::min<std::uint32_t>(record.names, OOM_NAMES);
  for (std::uint32_t level = names; level-- > above;) {
    const char* name = record.name[level];
    path += "/" + printable({name, strnlen(name, NAME_BYTES)});
  }
  return path.empty() ? "/" : path;
}

std::uint64_t limit_bytes(std::uint64_t pages, std::uint64_t page) {
  const bool limited = pages < static_cast<std::uint64_t>(INT64_MAX) / page;
  return limited ? pages * page : 0;
}

void set_class(wire::OomEvent& event, const oom_record& record, std::uint64_t page) {
  if (record.oom_class == OOM_CLASS_GUEST) event.oom_class = wire::OomClass::guest;
  if (record.oom_class != OOM_CLASS_LIMIT) return;
  event.limit_cgroup = path_of(record, record.over_level);
  event.limit_usage_bytes = record.over_usage_pages * page;
  event.limit_bytes = limit_bytes(record.over_limit_pages, page);
  const bool in_container = container_of_path(event.limit_cgroup).has_value();
  event.oom_class = !event.container ? wire::OomClass::other_limit
                    : in_container   ? wire::OomClass::container_limit
                                     : wire::OomClass::pod_limit;
}

}  // namespace

wire::OomEvent make_oom_event(const oom_record& record) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  wire::OomEvent event;
  event.sequence = record.sequence;
  event.boottime_ns = record.boottime_ns;
  event.cgroup = path_of(record);
  if (const auto place = container_of_path(event.cgroup)) event.container = place->id;
  event.victim_pid = record.victim_tgid;
  event.victim_comm = printable({record.comm, strnlen(record.comm, sizeof(record.comm))});
  event.victim_anon_bytes = record.anon_pages * page;
  event.victim_file_bytes = record.file_pages * page;
  event.victim_shmem_bytes = record.shmem_pages * page;
  event.memory_usage_bytes = record.usage_pages * page;
  event.memory_limit_bytes = limit_bytes(record.limit_pages, page);
  set_class(event, record, page);
  return event;
}

}  // namespace katameter::guest
