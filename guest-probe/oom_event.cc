#include "guest-probe/oom_event.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "guest-probe/containers.h"

namespace katameter {
namespace {

std::string path_of(const oom_record& record) {
  std::string path;
  const int names = std::min<int>(static_cast<int>(record.names), OOM_NAMES);
  for (int level = names - 1; level >= 0; --level) {
    const char* name = record.name[level];
    path += "/" + printable({name, strnlen(name, NAME_BYTES)});
  }
  return path.empty() ? "/" : path;
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
  const bool limited = record.limit_pages < static_cast<std::uint64_t>(INT64_MAX) / page;
  event.memory_limit_bytes = limited ? record.limit_pages * page : 0;
  return event;
}

}  // namespace katameter
