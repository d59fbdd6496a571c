#include "guest-probe/removed_containers.h"

#include <algorithm>
#include <cstring>

#include "guest-probe/containers.h"

namespace katameter {

void RemovedContainers::add(const removed_record& record, const MemoryFields& memory_fields,
                            const CpuFields& cpu_fields) {
  const std::string path = printable({record.path, strnlen(record.path, sizeof(record.path))});
  const auto place = container_of_path(path);
  if (!place) return;
  if (place->nested) {
    // Its CPU time stays in the container's own figure; v1 forgets its OOM kills with it.
    if (!memory_fields.unified && (record.kinds & REMOVED_MEMORY) != 0 && record.memory.oom_kills > 0) {
      nested_kills_[place->id] += record.memory.oom_kills;
    }
    return;
  }

  auto found = entries_.find(place->id);
  if (found != entries_.end() && found->second.reported != 0) {
    // The same id lived and went once more; what was reported of the first life is the host's by now.
    entries_.erase(found);
    found = entries_.end();
  }
  if (found == entries_.end()) {
    make_room();
    found = entries_.emplace(place->id, Entry{}).first;
    found->second.added = ++added_;
  }
  wire::Container& row = found->second.row;
  row.id = place->id;
  row.cgroup = path;
  if ((record.kinds & REMOVED_CPU) != 0) {
    set_cpu(row, record.cpu, cpu_fields);
    if ((record.cpu.kinds & CPU_TIMES) != 0) cpu_usage_ns_ += record.cpu.usage_ns;
  }
  if ((record.kinds & REMOVED_MEMORY) != 0) {
    // Nothing is left below a cgroup that can be removed: its own pending pages are all there are.
    StatPages pending{};
    std::copy_n(record.memory.pending, pending.size(), pending.begin());
    set_memory(row, memory_figures(record.memory, pending, memory_fields));
    const auto kills = nested_kills_.find(place->id);
    if (kills != nested_kills_.end()) {
      if (row.oom_kills) *row.oom_kills += kills->second;
      nested_kills_.erase(kills);
    }
  }
}

void RemovedContainers::report(std::map<ContainerId, wire::Container>& rows, std::uint64_t sequence) {
  for (const auto& [id, kills] : nested_kills_) {
    const auto row = rows.find(id);
    if (row != rows.end() && row->second.oom_kills) *row->second.oom_kills += kills;
  }
  for (auto& [id, entry] : entries_) {
    const auto living = rows.find(id);
    if (living == rows.end()) {
      wire::Container row = entry.row;
      row.removed = true;
      rows.emplace(id, std::move(row));
      if (entry.reported == 0) entry.reported = sequence;
      continue;
    }
    for (const wire::ContainerFigure& figure : wire::container_figures) {
      wire::Figure& value = living->second.*figure.value;
      if (!value) value = entry.row.*figure.value;
    }
  }
}

void RemovedContainers::acknowledge(std::uint64_t sequence) {
  std::erase_if(entries_,
                [&](const auto& item) { return item.second.reported != 0 && item.second.reported <= sequence; });
}

void RemovedContainers::make_room() {
  if (entries_.size() < capacity_) return;
  const auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                       [](const auto& a, const auto& b) { return a.second.added < b.second.added; });
  entries_.erase(oldest);
  ++forgotten_;
}

}  // namespace katameter
