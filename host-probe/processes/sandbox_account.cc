#include "host-probe/processes/sandbox_account.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace katameter {
namespace {

constexpr std::uint64_t block_bytes = 512;  // of inode.i_blocks, whatever the file system

std::uint64_t page_bytes() {
  static const auto bytes = static_cast<std::uint64_t>(getpagesize());
  return bytes;
}

ProcessCpu cpu_of(const process_reading& reading) {
  const process_record& dead = reading.record;
  ProcessCpu cpu{.cpu_ns = reading.cpu_ns,
                 .vcpu_ns = reading.vcpu_ns + dead.dead_vcpu_ns,
                 .vcpu_delay_ns = reading.vcpu_delay_ns + dead.dead_vcpu_delay_ns,
                 .other_delay_ns = reading.other_delay_ns + dead.dead_other_delay_ns,
                 .has_vcpus = reading.vcpu_threads > 0 || dead.vcpu_exits > 0};
  if (reading.vcpu_exits != dead.vcpu_exits) {
    cpu.split_settled = false;  // one began to exit during the reading
  } else if (dead.vcpu_exits > dead.vcpu_frees) {
    // Not all of the dead were freed. They are in exit_vcpu_ns; those that are still in the list are in both.
    cpu.split_settled = reading.exiting_vcpu_threads == 0;
    if (cpu.split_settled) cpu.vcpu_ns = reading.vcpu_ns + std::max(dead.dead_vcpu_ns, dead.exit_vcpu_ns);
  }
  return cpu;
}

/// Of a process without threads: all its vCPU threads have begun to exit. `last`: nothing more is to be known.
ProcessCpu cpu_of(const process_record& dead, bool last) {
  return {.cpu_ns = dead.ended != 0 ? dead.final_cpu_ns : dead.exit_cpu_ns,
          .vcpu_ns = std::max(dead.dead_vcpu_ns, dead.exit_vcpu_ns),
          .vcpu_delay_ns = dead.dead_vcpu_delay_ns,
          .other_delay_ns = dead.dead_other_delay_ns,
          .has_vcpus = dead.vcpu_exits > 0,
          .split_settled = last || dead.vcpu_exits <= dead.vcpu_frees};
}

}  // namespace

void SandboxAccount::begin_pass() {
  memory_ = {};
  counted_mms_.clear();
  counted_files_.clear();
}

void SandboxAccount::follow(const process_key& key, ProcessKind kind) {
  processes_.try_emplace(key, Process{ProcessTotals(kind), false, std::nullopt});
}

void SandboxAccount::read(const process_key& key, const process_reading& reading) {
  const auto process = processes_.find(key);
  if (process == processes_.end()) return;
  // What was counted twice could never be taken back.
  if ((reading.flags & READING_TORN) == 0) process->second.totals.update(cpu_of(reading));
  process->second.gone_since.reset();
  const std::uint32_t files = std::min<std::uint32_t>(reading.files, MEMORY_FILES);
  for (std::uint32_t i = 0; i < files; ++i) {
    const memory_file& file = reading.file[i];
    if (counted_files_.insert(file.inode).second) memory_.guest_ram_bytes += file.blocks * block_bytes;
  }
  if (reading.mm == 0 || !counted_mms_.insert(reading.mm).second) return;
  auto& anonymous = process->second.totals.kind() == ProcessKind::vmm ? memory_.vmm_bytes : memory_.virtiofsd_bytes;
  anonymous += reading.anonymous_pages * page_bytes();
  memory_.page_tables_bytes += reading.page_table_bytes;
}

bool SandboxAccount::ended(const process_key& key, const process_record& record) {
  const auto process = processes_.find(key);
  if (process == processes_.end()) return true;
  const bool last = std::exchange(process->second.ended, true);
  process->second.totals.update(cpu_of(record, last));
  if (last) conclude(key);
  return last;
}

bool SandboxAccount::gone(const process_key& key, const process_record& record, Clock::time_point now) {
  const auto process = processes_.find(key);
  if (process == processes_.end()) return true;
  if (!process->second.gone_since) process->second.gone_since = now;
  const bool last = now - *process->second.gone_since >= patience;
  if (record.exit_cpu_ns != 0) process->second.totals.update(cpu_of(record, last));
  if (last) conclude(key);
  return last;
}

void SandboxAccount::conclude(const process_key& key) {
  const auto found = processes_.find(key);
  if (found == processes_.end()) return;
  found->second.totals.add_to(past_);
  processes_.erase(found);
}

SandboxProcesses SandboxAccount::figures() const {
  SandboxProcesses figures{.cpu = past_, .memory = memory_};
  for (const auto& [key, process] : processes_) process.totals.add_to(figures.cpu);
  return figures;
}

}  // namespace katameter
