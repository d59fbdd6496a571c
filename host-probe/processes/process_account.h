#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "host-probe/bpf/programs.h"
#include "host-probe/processes/process_source.h"
#include "host-probe/processes/sandbox_account.h"
#include "userspace/event_loop.h"
#include "userspace/token_bucket.h"

namespace katameter::host {

/// CPU and memory of the VMMs, virtiofsd and shims of this node, by the kernel's own counters (bpf/host/*.bpf.c): found
/// when they start, read when asked, taken to their last nanosecond when they end. /proc is not walked;
/// /proc/<pid>/cmdline is read once for each process that ran before us, and nothing is done while nobody asks and no
/// sandbox starts.
///
/// Whose a process is its command line says. Anybody can write one: a VMM or a virtiofsd that descends from the sandbox's
/// shim (root's, in host-probe's own pid namespace), or is in a cgroup with the sandbox's id in its name, has the
/// sandbox for itself, and others that call themselves so are refused. Where there is none of that kind the command line
/// is believed: a shim may have died before host-probe was there. A VMM of that kind whose file has another name than
/// usual is known by its cgroup and its command line together.
///
/// Which thread is a vCPU is known by its name, or by its having been in guest mode. QEMU names its threads only with
/// debug-threads=on, which Kata sets in debug configurations; without it, and without KVM (whose time in guest mode the
/// kernel counts), all of QEMU's CPU is in the role vmm and there is no role vcpu. What threads had waited for a CPU
/// that were dead before we started is unknown to anybody.
class ProcessAccount : public ProcessSource {
 public:
  /// Processes of sandboxes at one time; three for a sandbox is usual. More are counted (katameter_processes_lost_total)
  /// and looked for again at the next pass.
  static constexpr std::uint32_t default_capacity = 8192;
  /// Sandboxes without a process that are remembered until forget(); beyond it the one longest without goes.
  static constexpr std::size_t max_ended = 1024;

  /// Loads and attaches the programs; needs CAP_BPF, CAP_PERFMON, CAP_SYS_RESOURCE before 5.11, and the kernel's BTF.
  /// `loop` must outlive it.
  static Result<std::unique_ptr<ProcessAccount>> create(EventLoop& loop, std::uint32_t capacity = default_capacity);

  ~ProcessAccount() override;
  ProcessAccount(const ProcessAccount&) = delete;
  ProcessAccount& operator=(const ProcessAccount&) = delete;

  /// Sandboxes whose processes have all ended stay, with what they used, until the first call after forget().
  Result<std::map<SandboxId, SandboxProcesses>> collect() override;
  /// Processes whose end the kernel did not report: their last values were taken up to a tick early. Should be 0.
  std::uint64_t ends_missed() const { return ends_missed_; }
  /// A process had more threads or open descriptors than a reading goes through.
  bool truncated() const { return truncated_; }
  /// Process ids that the kernel's map had at the last collect(), those included that turned out to be no sandbox's.
  const std::set<std::uint32_t>& listed() const { return listed_; }

  /// What was counted for `vm` is the sandbox's from here on.
  void follow(const SandboxId& sandbox, const SandboxId& vm) override;
  void catch_up() override;
  bool lives(const SandboxId& sandbox) const override;
  std::set<SandboxId> of_shims() const override;
  /// Also of a sandbox whose processes came and went since the last pass: the kernel's map has what they used.
  HostOoms forget(const SandboxId& sandbox) override;
  bool has_last_values(const SandboxId& sandbox) const override { return sandboxes_.contains(sandbox); }

  /// Known as soon as the process is, without a pass; its command line is looked at once more, so that a process id
  /// that another program has by now is not returned.
  std::optional<std::uint32_t> vmm(const SandboxId& sandbox) const override;

 private:
  struct Root {
    ProcessIdentity identity;
    std::uint64_t last_pass = 0;  // that had a process of it, or when it came
    bool listed = false;          // a pass has had it
    bool confirmed = false;       // not only its command line says that it is the sandbox's
    bool looked_at = false;       // for its cgroup
  };
  struct Sandbox {
    explicit Sandbox(const SandboxId& id) : account(id) {}
    SandboxAccount account;
    std::uint64_t last_pass = 0;  // that had a process of it
    bool forgotten = false;
    std::optional<SandboxId> vm;  // its key in vms_
  };

  ProcessAccount(EventLoop& loop, HostPrograms programs, std::uint32_t capacity)
      : loop_(loop), programs_(std::move(programs)), capacity_(capacity) {}

  Status learn_cpus();
  Status read_exec_events();
  void note_exec(const exec_event& event);
  void serve_exec_events();
  Root* identify(const process_key& key, const process_record& record);
  Status pass();
  void remove(const process_key& key);
  void count_children(const std::vector<KnownProcess>& processes);
  /// The name of the cgroup that its memory is charged to; empty if it has ended.
  std::string cgroup_of(const process_key& key);
  bool is_confirmed(const process_key& key, Root& root);
  bool descends(const process_key& shim, const ProcessIdentity& identity) const;
  void refuse(const process_key& key, const ProcessIdentity& identity);
  Status read(const process_key& key, const process_record& record, SandboxAccount& account);
  void drop_ended();
  void report_losses();
  void look_again_after_loss();
  const SandboxId& sandbox_of(const ProcessIdentity& identity) const;
  void drop(std::map<SandboxId, Sandbox>::iterator sandbox);

  EventLoop& loop_;
  HostPrograms programs_;
  std::set<int> unknown_cpus_;  // possible ones that were never online while we looked
  std::map<process_key, Root, ByAge> roots_;
  std::map<SandboxId, Sandbox> sandboxes_;
  std::map<SandboxId, SandboxId> vms_;  // sandboxes whose VMMs know them by another id, by that
  std::uint64_t pass_ = 0;
  std::uint32_t capacity_;
  std::uint64_t recorded_ = 0;            // processes_recorded at the last pass
  std::uint64_t lost_ = 0;                // processes_lost at the last pass
  TokenBucket refusals_{5, 1.0 / 60};     // lines of the log
  TokenBucket passes_{4, 1};              // after losses: a storm of processes must not cost a CPU
  std::set<process_key, ByAge> removed_;  // in this pass
  std::uint64_t ends_missed_ = 0;
  std::set<std::uint32_t> listed_;
  std::uint64_t oom_kills_ = 0;  // that the last pass has seen
  bool warned_lost_processes_ = false;
  bool warned_lost_events_ = false;
  bool truncated_ = false;
};

}  // namespace katameter::host
