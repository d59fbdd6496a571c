#include "guest-probe/collect/guest_sums.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <type_traits>

namespace katameter::guest {
namespace {

constexpr std::uint64_t magic = 0x6b6174616d657465;  // "katamete"
constexpr std::size_t file_bytes = 4096;

constexpr std::array<wire::Figure wire::Guest::*, 11> figures{&wire::Guest::workload_cpu_usage_ns,
                                                              &wire::Guest::kernel_cpu_usage_ns,
                                                              &wire::Guest::agent_cpu_usage_ns,
                                                              &wire::Guest::probe_cpu_usage_ns,
                                                              &wire::Guest::unattributed_cpu_usage_ns,
                                                              &wire::Guest::containers_lost,
                                                              &wire::Guest::oom_events_lost,
                                                              &wire::Guest::stalls_lost,
                                                              &wire::Guest::virtiofs_unknown_requests,
                                                              &wire::Guest::virtiofs_unknown_read_bytes,
                                                              &wire::Guest::virtiofs_unknown_written_bytes};

std::array<char, 40> read_boot_id() {
  std::array<char, 40> id{};
  std::ifstream("/proc/sys/kernel/random/boot_id").read(id.data(), id.size() - 1);
  return id;
}

}  // namespace

void RowLimit::Sums::raise(const wire::Container& container) {
  const auto raise = [](std::uint64_t& sum, std::uint64_t value) { sum = std::max(sum, value); };
  raise(cpu_usage_ns, container.cpu_usage_ns.value_or(0));
  raise(virtiofs_requests, wire::virtiofs_requests(container).value_or(0));
  raise(virtiofs_read_bytes, container.virtiofs_read_bytes.value_or(0));
  raise(virtiofs_written_bytes, container.virtiofs_written_bytes.value_or(0));
}

void RowLimit::Sums::add(const Sums& more) {
  cpu_usage_ns += more.cpu_usage_ns;
  virtiofs_requests += more.virtiofs_requests;
  virtiofs_read_bytes += more.virtiofs_read_bytes;
  virtiofs_written_bytes += more.virtiofs_written_bytes;
}

void RowLimit::apply(std::map<ContainerId, wire::Container>& rows, wire::Guest& guest) {
  std::uint64_t living = 0;
  std::uint64_t memory_bytes = 0;
  for (auto& [id, rest] : rest_) rest.seen = false;
  forget_unseen(rows);
  for (auto row = rows.begin(); row != rows.end();) {
    const wire::Container& container = row->second;
    if (has_row(container)) {
      ++row;
      continue;
    }
    Rest& rest = rest_[row->first];
    rest.seen = true;
    rest.sums.raise(container);
    if (!container.removed) {
      ++living;
      memory_bytes += container.memory_usage_bytes.value_or(0);
    }
    row = rows.erase(row);
  }
  std::erase_if(rest_, [&](const auto& entry) {
    if (!entry.second.seen) ended_.add(entry.second.sums);
    return !entry.second.seen;
  });
  exceeded_ = exceeded_ || living > 0;
  if (!exceeded_) return;
  guest.unattributed_containers = living;
  guest.unattributed_memory_usage_bytes = memory_bytes;
  Sums all = ended_;
  for (const auto& [id, rest] : rest_) all.add(rest.sums);
  guest.unattributed_cpu_usage_ns = all.cpu_usage_ns;
  const auto add = [](wire::Figure& figure, std::uint64_t more) {
    if (figure) *figure += more;
  };
  add(guest.virtiofs_unknown_requests, all.virtiofs_requests);
  add(guest.virtiofs_unknown_read_bytes, all.virtiofs_read_bytes);
  add(guest.virtiofs_unknown_written_bytes, all.virtiofs_written_bytes);
}

bool RowLimit::has_row(const wire::Container& container) {
  if (rest_.contains(container.id)) return false;
  if (with_row_.contains(container.id) || container.removed) return true;
  if (with_row_.size() == rows_) return false;
  with_row_.insert(container.id);
  return true;
}

// A place is free as soon as its container is not alive any more.
void RowLimit::forget_unseen(const std::map<ContainerId, wire::Container>& rows) {
  std::erase_if(with_row_, [&](const ContainerId& id) {
    const auto row = rows.find(id);
    return row == rows.end() || row->second.removed;
  });
}

Result<ReportedSums> ReportedSums::open(const std::string& file) {
  static_assert(figures.size() == sums && std::is_trivial_v<Contents> && sizeof(Contents) <= file_bytes);
  std::error_code ignored;  // open() says what is wrong with the folder
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
  const Fd opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened) return system_failure("cannot open " + file);
  // A shorter file would end a process that reads its mapping.
  if (ftruncate(opened.get(), file_bytes) != 0) return system_failure("cannot make room in " + file);
  Result<Mapping> mapping = Mapping::writable(opened, file_bytes);
  if (!mapping) return failure_from(mapping.error());
  ReportedSums reported;
  reported.mapping_ = *std::move(mapping);
  const std::array<char, 40> boot_id = read_boot_id();
  Contents& contents = reported.contents();
  if (contents.magic != magic || contents.boot_id != boot_id) contents = {magic, boot_id, {}};
  return reported;
}

std::uint64_t ReportedSums::carry_on(std::size_t place, std::uint64_t value) {
  std::uint64_t& last = contents().sum[place];
  if (!began_) missing_[place] = last - std::min(last, value);
  last = std::max(last, value + missing_[place]);
  return last;
}

void ReportedSums::carry_on(wire::Guest& guest) {
  std::size_t place = 0;
  for (const auto figure : figures) {
    if (guest.*figure) guest.*figure = carry_on(place, *(guest.*figure));
    ++place;
  }
  began_ = true;
}

}  // namespace katameter::guest
