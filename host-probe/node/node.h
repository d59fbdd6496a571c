#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "host-probe/accounting/sandbox_accounting.h"
#include "host-probe/discovery/discovery.h"
#include "host-probe/node/dead_directories.h"
#include "host-probe/node/ended_sandboxes.h"
#include "host-probe/node/report.h"
#include "host-probe/node/sandbox.h"
#include "host-probe/pods/names.h"
#include "host-probe/pods/pod_stats.h"
#include "host-probe/processes/process_source.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"

namespace katameter::host {

/// All sandboxes of this node. Asked for a report, it asks all guests at once, waits for the slowest up to a deadline,
/// reads the processes once; then for each sandbox it checks the guest's part, accounts, and assembles the report. What
/// is new in it has its name if the runtime answers in time. For the event loop's thread only.
class Node : private SandboxListener {
 public:
  /// Gets a report, or nothing if the node goes away before there is one.
  using Answer = std::function<void(std::shared_ptr<const NodeReport>)>;

  /// How long a report waits for the names of what is new in it.
  static constexpr std::chrono::milliseconds names_deadline{200};
  /// How long a VMM may run on when its directory is gone until that is logged; Kata removes both at nearly the same time.
  static constexpr std::chrono::milliseconds time_to_end{10'000};

  /// `processes` may be null: then there are no host-side values. So may `names`: then there are none; its on_answer()
  /// is the node's. `guest_port`: where guest-probe listens. `end_after`: time_to_end, less in tests. `stats` may be null:
  /// then guests without guest-probe have no containers.
  Node(EventLoop& loop, TimerQueue& timers, ProcessSource* processes, Names* names = nullptr,
       const GuestTiming& timing = {}, std::uint32_t guest_port = wire::default_port,
       std::chrono::milliseconds end_after = time_to_end, PodStats* stats = nullptr);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// What runs already had its CPU time before us: the accounting begins at what it has now. Once, before any
  /// collection.
  void begin();

  /// A directory without a running process is not a sandbox: a shim that crashed leaves one. It is looked at again a
  /// second later and with each collection.
  void sandbox_appeared(const SandboxPlace& place);
  /// A sandbox whose VMM outlives its directory goes on being reported. When it ends, its guest is asked once more if the
  /// connection is still up.
  void sandbox_gone(const SandboxId& id);

  /// Sandboxes that are gone and of which something is kept.
  std::size_t ended() const { return ended_.size(); }

  /// Collects; a caller that asks while a collection is under way gets the same report.
  void collect(Answer answer);

 private:
  using ProcessesBySandbox = std::map<SandboxId, SandboxProcesses>;

  // A sandbox that is gone, until its guest has answered for the last time.
  struct Leaving {
    std::unique_ptr<Sandbox> sandbox;
    Sandbox::Time asked;
    bool answered = false;
  };

  void sandbox_answered(const SandboxId& id) override;
  void add(const SandboxPlace& place);
  void end(const SandboxId& id);
  void check_vmm_of(const SandboxId& id);
  void find_dead();
  void find_living();
  std::optional<ContainerId> cri_pod(const SandboxId& id) const;
  void end_leaving();
  void end(const SandboxId& id, Leaving leaving, std::optional<SandboxProcesses> host);
  void finish();
  void answer();
  std::shared_ptr<NodeReport> report(const CollectorReport& guests);
  std::optional<ProcessesBySandbox> read_processes();
  SandboxReport report_of(Sandbox& sandbox, std::optional<SandboxProcesses> host, Sandbox::Time began,
                          Sandbox::Time now);
  const std::vector<ContainerStats>* stats_of(const SandboxId& id) const;
  void add_names(NodeReport& report);

  EventLoop& loop_;
  TimerQueue& timers_;
  ProcessSource* processes_;
  Names* names_;
  PodStats* stats_;
  GuestTiming timing_;
  std::uint32_t guest_port_;
  std::chrono::milliseconds end_after_;
  std::map<SandboxId, std::unique_ptr<Sandbox>> sandboxes_;
  DeadDirectories dead_;
  TimerQueue::Timer look_again_;
  std::map<SandboxId, TimerQueue::Timer> without_place_;  // of sandboxes_, those whose directory is gone
  std::map<SandboxId, SandboxAccounting> accounting_;

  std::map<SandboxId, Leaving> leaving_;
  TimerQueue::Timer leaving_deadline_;

  CpuByHandler cpu_;
  EndedSandboxes ended_;

  // Of the collection under way; empty if there is none.
  std::vector<Answer> waiting_;
  std::set<SandboxId> awaited_;
  TimerQueue::Timer deadline_;
  std::shared_ptr<NodeReport> report_;  // complete but for names that are asked for
  Sandbox::Time started_;
  std::minstd_rand random_{std::random_device()()};
  bool process_error_logged_ = false;
};

}  // namespace katameter::host
