#include "guest-probe/collect/removed_containers.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "guest-probe/containers/containers.h"

namespace katameter {

void RemovedContainers::add(const removed_record& record, const MemoryFields& memory_fields,
                            const CpuFields& cpu_fields, const PressureFields& pressure_fields) {
  const std::string path = printable({record.path, strnlen(record.path, sizeof(record.path))});
  const auto place = container_of_path(path);
  if (!place) {
    settled_.sequences.push_back(record.sequence);
    return;
  }
  if (place->nested) {
    add_nested(place->id, record, memory_fields);
    return;
  }
  Entry& entry = entry_for(place->id);
  entry.sequences.push_back(record.sequence);
  wire::Container& row = entry.row;
  row.id = place->id;
  row.cgroup = path;
  if (record.made_ns != 0) row.start_boottime_ns = record.made_ns;
  if ((record.kinds & REMOVED_CPU) != 0) {
    set_cpu(row, record.cpu, cpu_fields);
    if ((record.cpu.kinds & CPU_TIMES) != 0) entry.cpu_usage_ns += record.cpu.usage_ns;
  }
  set_pressure(row, record.pressure, pressure_fields);
  if ((record.kinds & REMOVED_IO) != 0) {
    set_io(row, removed_io(record));
    block_devices_left_out_ += record.io_lost;
  }
  if ((record.kinds & REMOVED_MEMORY) != 0) {
    // Nothing is left below a cgroup that can be removed: its own pending pages are all there are.
    StatPages pending{};
    std::copy_n(record.memory.pending, pending.size(), pending.begin());
    set_memory(row, memory_figures(record.memory, pending, memory_fields));
    const auto nested = nested_kills_.find(place->id);
    if (nested != nested_kills_.end()) {
      if (row.oom_kills) *row.oom_kills += nested->second.kills;
      entry.sequences.insert(entry.sequences.end(), nested->second.sequences.begin(), nested->second.sequences.end());
      nested_kills_.erase(nested);
    }
  }
}

// Its CPU time stays in the container's own figure; v1 forgets its OOM kills with it.
void RemovedContainers::add_nested(const ContainerId& id, const removed_record& record,
                                   const MemoryFields& memory_fields) {
  if (memory_fields.unified || (record.kinds & REMOVED_MEMORY) == 0 || record.memory.oom_kills == 0) {
    settled_.sequences.push_back(record.sequence);
    return;
  }
  nested_kills_[id].kills += record.memory.oom_kills;
  nested_kills_[id].sequences.push_back(record.sequence);
}

RemovedContainers::Entry& RemovedContainers::entry_for(const ContainerId& id) {
  auto found = entries_.find(id);
  if (found != entries_.end() && found->second.reported != 0) {
    // The same id lived and went once more; what was reported of the first life is the host's by now.
    forget(found);
    found = entries_.end();
  }
  if (found == entries_.end()) {
    make_room();
    found = entries_.emplace(id, Entry{}).first;
    found->second.added = ++added_;
  }
  return found->second;
}

void RemovedContainers::report(std::map<ContainerId, wire::Container>& rows, std::uint64_t sequence) {
  for (const auto& [id, nested] : nested_kills_) {
    const auto row = rows.find(id);
    if (row != rows.end() && row->second.oom_kills) *row->second.oom_kills += nested.kills;
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
    if (living->second.block_devices.empty()) living->second.block_devices = entry.row.block_devices;
    for (const wire::ContainerFigure& figure : wire::container_figures) {
      wire::Figure& value = living->second.*figure.value;
      if (!value) value = entry.row.*figure.value;
    }
  }
}

void RemovedContainers::acknowledge(std::uint64_t sequence) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const std::uint64_t reported = entry->second.reported;
    entry = reported != 0 && reported <= sequence ? forget(entry) : std::next(entry);
  }
}

SettledRemovals RemovedContainers::take_settled() {
  return std::exchange(settled_, {});
}

std::uint64_t RemovedContainers::cpu_usage_ns() const {
  std::uint64_t sum = settled_.cpu_usage_ns;
  for (const auto& [id, entry] : entries_) sum += entry.cpu_usage_ns;
  return sum;
}

RemovedContainers::Entries::iterator RemovedContainers::forget(Entries::iterator entry) {
  const Entry& gone = entry->second;
  settled_.sequences.insert(settled_.sequences.end(), gone.sequences.begin(), gone.sequences.end());
  settled_.cpu_usage_ns += gone.cpu_usage_ns;
  return entries_.erase(entry);
}

void RemovedContainers::make_room() {
  if (entries_.size() < capacity_) return;
  forget(std::min_element(entries_.begin(), entries_.end(),
                          [](const auto& a, const auto& b) { return a.second.added < b.second.added; }));
  ++forgotten_;
}

}  // namespace katameter
