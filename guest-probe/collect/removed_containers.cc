#include "guest-probe/collect/removed_containers.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "guest-probe/account/containers.h"
#include "guest-probe/account/cpu.h"
#include "guest-probe/account/io.h"
#include "guest-probe/account/memory.h"
#include "guest-probe/account/pressure.h"

namespace katameter::guest {

void complete(wire::Container& row, const wire::Container& last) {
  if (row.block_devices.empty()) row.block_devices = last.block_devices;
  for (const wire::ContainerFigure& figure : wire::container_figures) {
    wire::Figure& value = row.*figure.value;
    if (!value) value = last.*figure.value;
  }
}

wire::Container* RemovedContainers::add(const removed_record& record, const FigureSet& served, bool unified_memory) {
  const auto id = ContainerId::from_hex({record.container, sizeof(record.container)});
  if (!id) {  // never: the kernel program has read it as hex digits
    done_.push_back(record.sequence);
    return nullptr;
  }
  Entry& entry = entry_for(*id);
  entry.sequences.push_back(record.sequence);
  wire::Container& row = entry.row;
  row.id = *id;
  row.cgroup = printable({record.path, strnlen(record.path, sizeof(record.path))});
  if (record.made_ns != 0) row.start_boottime_ns = record.made_ns;
  if ((record.kinds & REMOVED_CPU) != 0) set_cpu(row, record.cpu, served);
  set_pressure(row, record.pressure, served);
  if ((record.kinds & REMOVED_VIRTIOFS) != 0) set_virtiofs(row, record.virtiofs, served);
  if ((record.kinds & REMOVED_HUGETLB) != 0) set_hugetlb(row, record.hugetlb, served);
  if ((record.kinds & REMOVED_IO) != 0) {
    set_io(row, removed_io(record));
    block_devices_left_out_ += record.io_lost;
  }
  // Nothing is left below a cgroup that can be removed: its own pending pages are all there are.
  if ((record.kinds & REMOVED_MEMORY) != 0) set_memory(row, record.memory, served, unified_memory);
  return &row;
}

void RemovedContainers::set_path(const ContainerId& id, const std::string& path) {
  if (const auto entry = entries_.find(id); entry != entries_.end()) entry->second.row.cgroup = path;
}

void RemovedContainers::add(wire::Container last) {
  Entry& entry = entry_for(last.id);
  entry.row = std::move(last);
}

const wire::Container* RemovedContainers::find(const ContainerId& id) const {
  const auto entry = entries_.find(id);
  return entry == entries_.end() ? nullptr : &entry->second.row;
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

void RemovedContainers::report(std::map<ContainerId, wire::Container>& rows, std::uint64_t sequence, std::size_t room) {
  std::vector<Entries::iterator> ended;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const auto living = rows.find(entry->first);
    if (living == rows.end()) {
      ended.push_back(entry);
      continue;
    }
    complete(living->second, entry->second.row);
  }
  std::sort(ended.begin(), ended.end(), [](const auto& a, const auto& b) { return a->second.added < b->second.added; });
  ended.resize(std::min(ended.size(), room));
  for (const auto& entry : ended) {
    wire::Container row = entry->second.row;
    row.removed = true;
    rows.emplace(entry->first, std::move(row));
    if (entry->second.reported == 0) entry->second.reported = sequence;
  }
}

void RemovedContainers::acknowledge(std::uint64_t sequence) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const std::uint64_t reported = entry->second.reported;
    entry = reported != 0 && reported <= sequence ? forget(entry) : std::next(entry);
  }
}

std::vector<std::uint64_t> RemovedContainers::take_done() {
  return std::exchange(done_, {});
}

RemovedContainers::Entries::iterator RemovedContainers::forget(Entries::iterator entry) {
  const Entry& gone = entry->second;
  done_.insert(done_.end(), gone.sequences.begin(), gone.sequences.end());
  return entries_.erase(entry);
}

void RemovedContainers::make_room() {
  if (entries_.size() < capacity_) return;
  forget(std::min_element(entries_.begin(), entries_.end(),
                          [](const auto& a, const auto& b) { return a.second.added < b.second.added; }));
  ++forgotten_;
}

}  // namespace katameter::guest
