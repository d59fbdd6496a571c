#include "guest-probe/bpf/programs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <string>

#include "guest-probe/bpf/iterator.h"
#include "guest-probe/bpf/maps.h"
#include "guest-probe/bpf/progress.h"

namespace katameter::guest {
namespace {

// How long user space waits for a removal that adds to a record: BPF is not interrupted there, and is done in 2 us.
constexpr int max_looks_at_merging = 100'000;

}  // namespace

std::optional<std::uint64_t> parse_misses(std::string_view fdinfo) {
  constexpr std::string_view key = "recursion_misses:\t";
  const std::size_t start = fdinfo.find(key);
  if (start == std::string_view::npos) return std::nullopt;
  const std::string_view rest = fdinfo.substr(start + key.size());
  std::uint64_t misses = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), misses);
  if (error != std::errc()) return std::nullopt;
  return misses;
}

Status SkippedRuns::add(Hook hook, int program) {
  Result<Fd> kept = Fd::duplicate(program);
  if (!kept) return failure_from(kept.error());
  const std::string path = "/proc/self/fdinfo/" + std::to_string(kept->get());
  Fd fdinfo(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fdinfo) return system_failure("cannot open " + path);
  // A kernel that does not count will not later.
  if (const auto misses = read(fdinfo)) {
    programs_.push_back({hook, *std::move(kept), std::move(fdinfo), *misses});
  }
  return {};
}

std::optional<std::uint64_t> SkippedRuns::read(const Fd& fdinfo) {
  std::array<char, 512> text{};
  const ssize_t size = pread(fdinfo.get(), text.data(), text.size(), 0);
  return parse_misses({text.data(), size < 0 ? 0 : static_cast<std::size_t>(size)});
}

void SkippedRuns::refresh() {
  if (programs_.empty() || ++collects_ % collects_between != 0) return;
  Counted& program = programs_[collects_ / collects_between % programs_.size()];
  program.misses = read(program.fdinfo).value_or(program.misses);
}

std::optional<std::uint64_t> SkippedRuns::of(Hook hook) const {
  std::optional<std::uint64_t> sum;
  for (const Counted& program : programs_) {
    if (program.hook == hook) sum = sum.value_or(0) + program.misses;
  }
  return sum;
}

template <typename Record>
Result<Walk<Record>> GuestPrograms::walk(Walker& walker, Hierarchy hierarchy, std::uint32_t* rest) {
  const Result<std::uint64_t> returned = walker.program.run(*requests_, static_cast<std::uint64_t>(hierarchy));
  if (!returned) return failure_from(returned.error());
  const auto answer = static_cast<std::uint32_t>(*returned);
  if (rest != nullptr) *rest = static_cast<std::uint32_t>(*returned >> 32);
  const Result<std::span<const Record>> rows = walker.records.first<Record>(answer & ANSWER_ROWS);
  if (!rows) return failure_from(rows.error());
  return Walk<Record>{*rows, answer >> ANSWER_LEFT_OVER_SHIFT & ANSWER_MAX_LEFT_OVER,
                      (answer & ANSWER_INCOMPLETE) == 0};
}

Result<Walk<cpu_record>> GuestPrograms::walk_cpu(Hierarchy hierarchy) {
  return walk<cpu_record>(cpu_, hierarchy);
}
Result<Walk<unified_record>> GuestPrograms::walk_unified() {
  return walk<unified_record>(unified_, Hierarchy::unified);
}
Result<Walk<memory_record>> GuestPrograms::walk_memory(bool with_hugetlb) {
  return walk<memory_record>(memory_, with_hugetlb ? Hierarchy::hugetlb : Hierarchy::memory, &io_walked_);
}
Result<IoWalk> GuestPrograms::walked_io() {
  const Result<std::span<const io_record>> devices = io_.first<io_record>(io_walked_ & 0xffff);
  if (!devices) return failure_from(devices.error());
  return IoWalk{*devices, io_walked_ >> 16};
}

Result<std::span<const hugetlb_record>> GuestPrograms::walked_hugetlb() {
  return hugetlb_.first<hugetlb_record>(status().hugetlb_rows);
}

Result<std::span<const numa_record>> GuestPrograms::walked_numa(std::size_t rows) {
  return numa_.first<numa_record>(rows);
}

Result<Walk<pressure_record>> GuestPrograms::walk_pressure() {
  return walk<pressure_record>(pressure_, Hierarchy::unified);
}

Result<std::span<const virtiofs_record>> GuestPrograms::walked_virtiofs(std::size_t rows) {
  return virtiofs_.first<virtiofs_record>(rows);
}

Status GuestPrograms::walk_tasks(const std::function<void(const task_record&)>& consumer) {
  return for_each_record<task_record>(tasks_, [&](const task_record& record) {
    if ((record.flags & TASK_END) != 0) return false;  // saves the read() that would find nothing
    consumer(record);
    return true;
  });
}
Status GuestPrograms::walk_sched_sums(const std::function<void(const sched_record&)>& consumer) {
  if (!sched_sums_) return {};
  return for_each_record<sched_record>(*sched_sums_, [&](const sched_record& record) {
    consumer(record);
    return true;
  });
}

Result<std::vector<name_record>> GuestPrograms::walk_names(Hierarchy hierarchy) {
  const Result<Walk<memory_record>> walked = walk<memory_record>(names_, hierarchy);
  if (!walked) return failure_from(walked.error());
  std::vector<name_record> names(walked->rows.size());
  for (std::size_t i = 0; i < names.size(); ++i) std::memcpy(&names[i], &walked->rows[i], sizeof(name_record));
  names_.records.close();
  return names;
}

// Only a walk writes them.
std::span<const volume_record> GuestPrograms::volumes() const {
  const auto& status = *reinterpret_cast<const guest_status*>(status_.data());
  return {status.volume, std::min<std::size_t>(status.volumes, VOLUMES)};
}

void GuestPrograms::close_iterators() {
  for (Walker* walker : {&cpu_, &unified_, &memory_, &names_, &pressure_}) walker->program.close();
  if (stat_tables_) stat_tables_->close_iterator();
}

void GuestPrograms::set_stat_indices(const StatIndices& resolved) {
  StatIndices indices = stat_indices_->get();
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    if (resolved[stat] < 0) continue;
    indices[stat] = resolved[stat];
    stats_found_ |= 1u << stat;
  }
  stat_indices_->set(indices);
}

void GuestPrograms::end_resolving() {
  stat_tables_.reset();
  stat_indices_.reset();
}

std::uint64_t GuestPrograms::next_snapshot() {
  return state_.update([](progress& progress) { return ++progress.snapshots; });
}

// From here on no removal adds to the records up to `sequence`, nor is one about to.
void GuestPrograms::report_taken(std::uint64_t sequence) {
  reinterpret_cast<volatile guest_status*>(status_.data())->removals_taken = sequence;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (int i = 0; i < max_looks_at_merging && status().merging != 0; ++i) {
  }
}

Result<std::vector<removed_record>> GuestPrograms::take_removed() {
  const std::uint64_t written = status().removals;
  if (replayed_ && written == state().removals_taken) return std::vector<removed_record>();

  report_taken(written);
  progress after = state();
  const SequenceRange range = replayed_ ? take_removals(after, written) : replay_removals(after, written);
  std::vector<removed_record> records;
  if (range.first <= range.last) {
    Result<std::vector<removed_record>> read =
        read_ring<removed_record>(removed_, REMOVED_SLOTS, range.first, range.last);
    if (!read) return failure_from(read.error());  // nothing counts as taken: the next call reads them
    records = *std::move(read);
    std::erase_if(records, [&](const removed_record& record) { return is_acknowledged(after, record.sequence); });
    // Overwritten since `written` was read.
    after.removals_lost += unacknowledged_removals(after, range) - records.size();
  }
  state_.update([&](progress& progress) {
    progress = after;
    return true;
  });
  replayed_ = true;
  return records;
}

void GuestPrograms::acknowledge_removed(std::span<const std::uint64_t> sequences) {
  state_.update([&](progress& progress) {
    acknowledge_removals(progress, sequences);
    return true;
  });
}

void GuestPrograms::add_vanished(std::uint64_t cpu_ns) {
  state_.update([&](progress& progress) { return progress.vanished_cpu_ns += cpu_ns; });
}

Result<std::vector<oom_record>> GuestPrograms::oom_events_after(std::uint64_t sequence) {
  oom_wakeup_.consume();
  const std::uint64_t written = status().oom_events;
  if (written <= std::max<std::uint64_t>(sequence, state().events_acknowledged)) return std::vector<oom_record>();
  const SequenceRange range =
      state_.update([&](progress& progress) { return unacknowledged_events(progress, written); });
  return read_ring<oom_record>(oom_events_, OOM_SLOTS, std::max(range.first, sequence + 1), range.last);
}

void GuestPrograms::acknowledge_oom_events(std::uint64_t sequence) {
  const std::uint64_t written = status().oom_events;
  state_.update([&](progress& progress) {
    acknowledge_events(progress, sequence, written);
    return true;
  });
}

}  // namespace katameter::guest
