#include "host-probe/processes/sandbox_account.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace katameter::host {
namespace {

std::uint64_t above(std::uint64_t value, std::uint64_t least) {
  return value > least ? value - least : 0;
}

void raise(std::uint64_t& value, std::uint64_t to) {
  value = std::max(value, to);
}

void add(RoleCpu& sum, const RoleCpu& more) {
  sum.cpu_ns += more.cpu_ns;
  sum.run_delay_ns += more.run_delay_ns;
}

// Takes out of `growth` what is missing in `part`.
void catch_up(std::uint64_t& part, std::uint64_t to, std::uint64_t& growth) {
  const std::uint64_t step = std::min(above(to, part), growth);
  part += step;
  growth -= step;
}

}  // namespace

Role role_of(ProcessKind kind) {
  switch (kind) {
    case ProcessKind::vmm: return Role::vmm;
    case ProcessKind::virtiofsd: return Role::virtiofsd;
    case ProcessKind::shim: return Role::shim;
    case ProcessKind::kernel: break;
  }
  return Role::vhost;
}

ProcessTotals::ProcessTotals(ProcessKind kind, const ProcessTotals& before)
    : kind_(kind), base_(before.base_), usage_base_(before.usage_base_) {
  add(base_, before.vcpu_);
  add(base_, before.kernel_);
  add(base_, before.other_);
  for (const auto field : usage_counters) usage_base_.*field += before.usage_.*field;
}

void ProcessTotals::update(const ProcessCpu& now) {
  const std::uint64_t cpu_ns = above(now.cpu_ns, base_.cpu_ns);
  if (kind_ == ProcessKind::virtiofsd || kind_ == ProcessKind::kernel) {
    raise(other_.cpu_ns, cpu_ns);
    raise(other_.run_delay_ns, above(now.vcpu_delay_ns + now.kernel_delay_ns + now.other_delay_ns, base_.run_delay_ns));
    return;
  }
  has_vcpus_ = has_vcpus_ || now.has_vcpus;
  has_kernel_ = has_kernel_ || now.has_kernel;
  raise(vcpu_.run_delay_ns, now.vcpu_delay_ns);
  raise(kernel_.run_delay_ns, now.kernel_delay_ns);
  raise(other_.run_delay_ns, above(now.other_delay_ns, base_.run_delay_ns));
  if (!now.split_valid) {
    // Else a thread on its way out would be taken for other work, and that could never be taken back.
    raise(vcpu_.cpu_ns, now.vcpu_ns);
    raise(kernel_.cpu_ns, now.kernel_ns);
    return;
  }
  std::uint64_t growth = above(cpu_ns, vcpu_.cpu_ns + kernel_.cpu_ns + other_.cpu_ns);
  catch_up(vcpu_.cpu_ns, now.vcpu_ns, growth);
  catch_up(kernel_.cpu_ns, now.kernel_ns, growth);
  other_.cpu_ns += growth;
}

void ProcessTotals::update(const RoleUsage& now) {
  for (const auto field : usage_counters) raise(usage_.*field, above(now.*field, usage_base_.*field));
}

void ProcessTotals::add_to(std::map<Role, RoleCpu>& sums) const {
  add(sums[role_of(kind_)], other_);
  if (has_vcpus_) add(sums[Role::vcpu], vcpu_);
  if (has_kernel_) add(sums[Role::vhost], kernel_);
}

void ProcessTotals::add_to(std::map<Role, RoleUsage>& sums) const {
  RoleUsage& sum = sums[role_of(kind_)];
  for (const auto field : usage_counters) sum.*field += usage_.*field;
}

void add_roles(std::map<Role, RoleCpu>& sums, const std::map<Role, RoleCpu>& more) {
  for (const auto& [role, cpu] : more) add(sums[role], cpu);
}

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
                 .kernel_ns = reading.kernel_ns + dead.dead_kernel_ns,
                 .kernel_delay_ns = reading.kernel_delay_ns + dead.dead_kernel_delay_ns,
                 .other_delay_ns = reading.other_delay_ns + dead.dead_other_delay_ns,
                 .has_vcpus = reading.vcpu_threads > 0 || dead.exit_vcpu_ns > 0,
                 .has_kernel = reading.kernel_threads > 0 || dead.exit_kernel_ns > 0};
  if (reading.classified_exits != dead.classified_exits) {
    cpu.split_valid = false;  // one began to exit during the reading
  } else if (dead.classified_exits > dead.classified_frees) {
    // Not all of the dead were freed. They are in exit_*_ns; those that are still in the list are in both.
    cpu.split_valid = reading.exiting_classified_threads == 0;
    if (cpu.split_valid) {
      cpu.vcpu_ns = reading.vcpu_ns + std::max(dead.dead_vcpu_ns, dead.exit_vcpu_ns);
      cpu.kernel_ns = reading.kernel_ns + std::max(dead.dead_kernel_ns, dead.exit_kernel_ns);
    }
  }
  return cpu;
}

/// Of a process without threads: all of them have begun to exit. `last`: nothing more is to be known.
ProcessCpu cpu_of(const process_record& dead, bool last) {
  return {.cpu_ns = dead.ended != 0 ? dead.final_cpu_ns : dead.exit_cpu_ns,
          .vcpu_ns = std::max(dead.dead_vcpu_ns, dead.exit_vcpu_ns),
          .vcpu_delay_ns = dead.dead_vcpu_delay_ns,
          .kernel_ns = std::max(dead.dead_kernel_ns, dead.exit_kernel_ns),
          .kernel_delay_ns = dead.dead_kernel_delay_ns,
          .other_delay_ns = dead.dead_other_delay_ns,
          .has_vcpus = dead.exit_vcpu_ns > 0,
          .has_kernel = dead.exit_kernel_ns > 0,
          .split_valid = last || dead.classified_exits <= dead.classified_frees};
}

RoleUsage usage_of(const process_usage& usage) {
  return {.guest_ns = usage.guest_ns,
          .minor_faults = usage.minor_faults,
          .major_faults = usage.major_faults,
          .read_bytes = usage.read_bytes,
          .write_bytes = usage.write_bytes};
}

}  // namespace

bool is_cgroup_of(const SandboxId& sandbox, std::string_view name) {
  const std::size_t at = name.rfind(sandbox.text());
  if (at == std::string_view::npos) return false;
  if (sandbox.cri_id()) return true;
  // A short id may be part of another's, or a word.
  const std::string_view rest = name.substr(at + sandbox.text().size());
  return (at == 0 || name[at - 1] == ':' || name[at - 1] == '-') && (rest.empty() || rest == ".scope");
}

void SandboxAccount::begin_pass() {
  memory_ = {};
  role_memory_.clear();
  counted_mms_.clear();
  counted_files_.clear();
  counted_cgroups_.clear();
  in_other_cgroup_ = false;
}

void SandboxAccount::follow(const process_key& key, ProcessKind kind) {
  const auto [process, is_new] = processes_.try_emplace(key, Process{ProcessTotals(kind), false, std::nullopt});
  ProcessTotals& totals = process->second.totals;
  if (is_new || totals.kind() == kind) return;
  totals.add_to(past_);
  totals.add_to(past_usage_);
  totals = ProcessTotals(kind, totals);
}

void SandboxAccount::read(const process_key& key, const process_reading& reading) {
  const auto process = processes_.find(key);
  if (process == processes_.end()) return;
  // What was counted twice could never be taken back.
  if ((reading.flags & READING_TORN) == 0) {
    process->second.totals.update(cpu_of(reading));
    process->second.totals.update(usage_of(reading.usage));
  }
  io_ = io_ || (reading.flags & READING_IO) != 0;
  note_oom_kills(process->second, reading.record);
  process->second.gone_since.reset();
  const std::uint32_t files = std::min<std::uint32_t>(reading.files, MEMORY_FILES);
  for (std::uint32_t i = 0; i < files; ++i) {
    const memory_file& file = reading.file[i];
    if (!counted_files_.insert(file.inode).second) continue;
    memory_.guest_ram_bytes += file.blocks * block_bytes + file.pages * page_bytes();
  }
  if (reading.mm == 0 || !counted_mms_.insert(reading.mm).second) return;
  const Role role = role_of(process->second.totals.kind());
  const std::uint64_t anonymous = reading.anonymous_pages * page_bytes();
  if (role == Role::vmm) memory_.vmm_bytes += anonymous;
  if (role == Role::virtiofsd) memory_.virtiofsd_bytes += anonymous;
  if (role == Role::shim) memory_.shim_bytes += anonymous;
  memory_.page_tables_bytes += reading.page_table_bytes;
  count_cgroup(reading);
  const bool is_vmm = role == Role::vmm || (role == Role::shim && reading.vcpu_threads > 0);
  if (is_vmm) raise(memory_.vmm_mapped_bytes, reading.mapped_pages * page_bytes());
  RoleMemory& memory = role_memory_[role];
  memory.anonymous_bytes += anonymous;
  memory.file_bytes += reading.file_pages * page_bytes();
  memory.shared_bytes += reading.shared_pages * page_bytes();
  memory.page_tables_bytes += reading.page_table_bytes;
}

void SandboxAccount::count_cgroup(const process_reading& reading) {
  if (!counted_cgroups_.insert(reading.memory_cgroup).second) return;
  if (!is_cgroup_of(id_, reading.memory_cgroup_name)) {
    in_other_cgroup_ = true;
    return;
  }
  memory_.cgroup_bytes = memory_.cgroup_bytes.value_or(0) + reading.memory_cgroup_pages * page_bytes();
}

void SandboxAccount::note_oom_kills(Process& process, const process_record& record) {
  std::uint64_t& kills = oom_kills_[role_of(process.totals.kind())];
  if (record.oom_kills > process.oom_kills) kills += record.oom_kills - process.oom_kills;
  process.oom_kills = record.oom_kills;
}

bool SandboxAccount::ended(const process_key& key, const process_record& record) {
  const auto process = processes_.find(key);
  if (process == processes_.end()) return true;
  const bool last = std::exchange(process->second.ended, true);
  process->second.totals.update(cpu_of(record, last));
  process->second.totals.update(usage_of(record.final_usage));
  note_oom_kills(process->second, record);
  if (last) conclude(key);
  return last;
}

bool SandboxAccount::gone(const process_key& key, const process_record& record, Clock::time_point now) {
  const auto process = processes_.find(key);
  if (process == processes_.end()) return true;
  if (!process->second.gone_since) process->second.gone_since = now;
  note_oom_kills(process->second, record);
  const bool last = now - *process->second.gone_since >= exit_timeout;
  if (record.exit_cpu_ns != 0) process->second.totals.update(cpu_of(record, last));
  if (last) conclude(key);
  return last;
}

void SandboxAccount::conclude(const process_key& key) {
  const auto found = processes_.find(key);
  if (found == processes_.end()) return;
  found->second.totals.add_to(past_);
  found->second.totals.add_to(past_usage_);
  processes_.erase(found);
}

void SandboxAccount::take_over(SandboxAccount other) {
  // Memory is of a moment: the next pass counts it anew.
  processes_.merge(other.processes_);
  add_roles(past_, other.past_);
  for (const auto& [role, usage] : other.past_usage_) {
    for (const auto field : usage_counters) past_usage_[role].*field += usage.*field;
  }
  for (const auto& [role, kills] : other.oom_kills_) oom_kills_[role] += kills;
  io_ = io_ || other.io_;
}

bool SandboxAccount::lives() const {
  return std::ranges::any_of(processes_,
                             [](const auto& process) { return !process.second.ended && !process.second.gone_since; });
}

SandboxProcesses SandboxAccount::values() const {
  SandboxProcesses values{.cpu = past_,
                          .memory = memory_,
                          .usage = past_usage_,
                          .role_memory = role_memory_,
                          .oom_kills = oom_kills_,
                          .io = io_};
  for (const auto& [key, process] : processes_) {
    process.totals.add_to(values.cpu);
    process.totals.add_to(values.usage);
  }
  if (in_other_cgroup_) values.memory.cgroup_bytes.reset();
  return values;
}

}  // namespace katameter::host
