#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "host-probe/accounting/sandbox_accounting.h"
#include "host-probe/discovery/discovery.h"
#include "host-probe/node/guest_run.h"
#include "host-probe/node/report.h"
#include "host-probe/node/sandbox.h"
#include "host-probe/pods/names.h"
#include "host-probe/processes/process_source.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"

namespace katameter::host {

/// All sandboxes of this node. Asked for a report, it asks all guests at once, waits for the slowest up to a deadline,
/// reads the processes once; then for each sandbox it checks the guest's part, accounts, and assembles the report. For
/// the event loop's thread only.
class Node : private SandboxListener {
 public:
  /// Gets a report, or nothing if the node goes away before there is one.
  using Answer = std::function<void(std::shared_ptr<const NodeReport>)>;

  /// `processes` may be null: then there are no host-side values. So may `names`: then there are none.
  /// `guest_port`: where guest-probe listens.
  Node(EventLoop& loop, TimerQueue& timers, ProcessSource* processes, Names* names = nullptr,
       const GuestTiming& timing = {}, std::uint32_t guest_port = wire::default_port)
      : loop_(loop), timers_(timers), processes_(processes), names_(names), timing_(timing), guest_port_(guest_port) {}
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// What runs already had its CPU time before us: the accounting begins at what it has now. Once, before any
  /// collection.
  void begin();

  void sandbox_appeared(const SandboxPlace& place);
  void sandbox_gone(const ContainerId& id);

  /// Sandboxes that are gone and of which something is kept.
  std::size_t ended() const { return ended_.size(); }

  /// Collects; a caller that asks while a collection is under way gets the same report.
  void collect(Answer answer);

 private:
  using ProcessesBySandbox = std::map<ContainerId, SandboxProcesses>;

  void sandbox_answered(const ContainerId& id) override;
  void keep_ended(const ContainerId& id, SandboxHistory history);
  void drop_expired(Sandbox::Time now);
  void finish();
  std::shared_ptr<const NodeReport> report(const CollectorReport& guests);
  std::optional<ProcessesBySandbox> read_processes();
  SandboxReport report_of(Sandbox& sandbox, std::optional<SandboxProcesses> host, Sandbox::Time now);
  static SandboxReport report_of_ended(const ContainerId& id, const SandboxHistory& history);
  void add_names(NodeReport& report);

  EventLoop& loop_;
  TimerQueue& timers_;
  ProcessSource* processes_;
  Names* names_;
  GuestTiming timing_;
  std::uint32_t guest_port_;
  std::map<ContainerId, std::unique_ptr<Sandbox>> sandboxes_;
  std::map<ContainerId, SandboxAccounting> accounting_;

  // A sandbox that is gone: its OOM kills are still reported, and one of its id that comes back goes on from here. Of
  // more than max_ended the one that ended first is dropped.
  struct Ended {
    SandboxHistory history;
    SandboxAccounting accounting;
  };
  static constexpr std::size_t max_ended = 1024;
  std::map<ContainerId, Ended> ended_;

  // Of the collection under way; empty if there is none.
  std::vector<Answer> waiting_;
  std::set<ContainerId> awaited_;
  TimerQueue::Timer deadline_;
  Sandbox::Time started_;
  std::minstd_rand random_{std::random_device()()};
  bool process_error_logged_ = false;
};

}  // namespace katameter::host
