#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "bpf/host/records.h"
#include "host-probe/processes/process_identity.h"
#include "host-probe/processes/process_source.h"

namespace katameter::host {

/// CPU of one process as the kernel had it at one moment, dead threads included.
struct ProcessCpu {
  std::uint64_t cpu_ns = 0;         // all threads, by the process's own sum
  std::uint64_t vcpu_ns = 0;        // vCPU threads, by theirs
  std::uint64_t vcpu_delay_ns = 0;  // run-queue wait of vCPU threads
  std::uint64_t kernel_ns = 0;      // the kernel's own threads in the process
  std::uint64_t kernel_delay_ns = 0;
  std::uint64_t other_delay_ns = 0;
  bool has_vcpus = false;
  bool has_kernel = false;
  bool split_valid = true;  // no dead thread is in cpu_ns that is not in vcpu_ns or kernel_ns where it belongs
};

/// CPU of one process by role. Never falls, whatever the update says: in the moments between a thread's end and its
/// freeing it is missing in some of the kernel's values, and then what was known stands. The roles together are what
/// the process's own sum says: what it grows by goes to the vCPUs and the kernel's threads up to theirs, the rest to
/// the others. So a thread that turns out late to be a vCPU has its time moved without anything being counted twice.
class ProcessTotals {
 public:
  explicit ProcessTotals(ProcessKind kind) : kind_(kind) {}
  /// A process that was something else before an exec: what it had used till then stays with that.
  ProcessTotals(ProcessKind kind, const ProcessTotals& before);

  ProcessKind kind() const { return kind_; }
  void update(const ProcessCpu& now);
  void update(const RoleUsage& now);
  void add_to(std::map<Role, RoleCpu>& sums) const;
  void add_to(std::map<Role, RoleUsage>& sums) const;

 private:
  ProcessKind kind_;
  bool has_vcpus_ = false;
  bool has_kernel_ = false;
  RoleCpu vcpu_;
  RoleCpu kernel_;
  RoleCpu other_;  // of a VMM: its threads that are neither; of virtiofsd: all
  RoleUsage usage_;
  RoleCpu base_;  // used in another role
  RoleUsage usage_base_;
};

/// The role of a process as a whole, and of its threads that nothing distinguishes.
Role role_of(ProcessKind kind);

/// `sums` += `more`, role by role.
void add_roles(std::map<Role, RoleCpu>& sums, const std::map<Role, RoleCpu>& more);

/// Orders process keys: by age, then by pid.
struct ByAge {
  bool operator()(const process_key& a, const process_key& b) const {
    if (a.start_boottime_ns != b.start_boottime_ns) return a.start_boottime_ns < b.start_boottime_ns;
    return a.tgid < b.tgid;
  }
};

/// Whether a cgroup of this name is the sandbox's own: Kata and the container runtimes put its id there.
bool is_cgroup_of(const SandboxId& sandbox, std::string_view name);

/// What the processes of one sandbox have used together, those that are gone included.
///
/// Memory is the sum of RssAnon by kind, the pages of each guest-RAM file once, and page tables. Guest RAM that is
/// private anonymous memory (no virtiofsd, hence no sharing) cannot be distinguished from the VMM's own:
/// guest_ram_bytes is then 0 and vmm_bytes has it. RssFile is in none of them: page cache, most of it shared between
/// sandboxes. Any unlinked file (tmpfs, hugetlbfs, of a disk) that a VMM has open counts as guest RAM, and any
/// guest_memfd; Dragonball's, a part of the shim, too. A file that still has a name, as the memory of a VM template,
/// belongs to no sandbox.
///
/// A cgroup is the sandbox's own if the sandbox's id is in its name, as Kata and the container runtimes name them; of an
/// id that no CRI runtime made, if the name ends with it.
class SandboxAccount {
 public:
  using Clock = std::chrono::steady_clock;

  explicit SandboxAccount(const SandboxId& sandbox) : id_(sandbox) {}

  /// From when a process cannot be read until nothing more is expected of it; an RCU grace period is some 10 ms.
  static constexpr std::chrono::seconds exit_timeout{1};

  /// Begins a pass: memory is counted anew.
  void begin_pass();

  /// From here on the process is one of the sandbox's, and of this kind: an exec may have changed it.
  void follow(const process_key& key, ProcessKind kind);
  /// What a live process has now; of one that is followed, as all below.
  void read(const process_key& key, const process_reading& reading);
  /// The process is another's after all: what it used is taken back.
  void drop(const process_key& key) { processes_.erase(key); }
  /// What a process had when it ended. True: it was so at the last pass already, late threads had their time to be
  /// freed, and it is now part of the past; false: to be reported again at the next pass.
  bool ended(const process_key& key, const process_record& record);
  /// A live process that could not be read any more: its end is near, or was not noticed. True: that was long ago, and
  /// what was known when it began to exit is now part of the past.
  bool gone(const process_key& key, const process_record& record, Clock::time_point now);

  /// Takes over the processes of another account, which turned out to be this sandbox's, and what they have used.
  void take_over(SandboxAccount other);

  /// No process is followed; what those of the past have used is still known.
  bool empty() const { return processes_.empty(); }
  /// A process was running at the last pass.
  bool lives() const;
  SandboxProcesses values() const;

 private:
  struct Process {
    ProcessTotals totals;
    bool ended = false;
    std::optional<Clock::time_point> gone_since;
    std::uint64_t oom_kills = 0;
  };
  void count_cgroup(const process_reading& reading);
  void note_oom_kills(Process& process, const process_record& record);
  void conclude(const process_key& key);

  SandboxId id_;
  std::map<process_key, Process, ByAge> processes_;
  // Of processes that are not in processes_ any more, or were of another kind.
  std::map<Role, RoleCpu> past_;
  std::map<Role, RoleUsage> past_usage_;
  HostOoms oom_kills_;
  SandboxMemory memory_;
  std::map<Role, RoleMemory> role_memory_;
  bool io_ = false;
  // Of this pass: a vforked child has its parent's mm, and two descriptors may have one file.
  std::set<std::uint64_t> counted_mms_;
  std::set<std::uint64_t> counted_files_;
  std::set<std::uint64_t> counted_cgroups_;
  bool in_other_cgroup_ = false;
};

}  // namespace katameter::host
