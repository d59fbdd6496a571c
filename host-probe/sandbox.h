#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "host-probe/discovery/discovery.h"
#include "host-probe/merge/oom_events.h"
#include "host-probe/merge/report.h"
#include "host-probe/merge/sandbox_state.h"
#include "host-probe/timer_queue.h"
#include "host-probe/transport/guest_peer.h"
#include "host-probe/trust/claimed_sum.h"
#include "host-probe/trust/cpu_claim.h"
#include "host-probe/trust/guest_budget.h"
#include "host-probe/trust/snapshot_rules.h"
#include "userspace/event_loop.h"

namespace katameter {

/// One sandbox as long as it is there: the connection to its guest, the rules, what was taken over.
class Sandbox : private GuestObserver {
 public:
  /// Called when a collect() that returned true has an answer, or will have none.
  using Settled = std::function<void(const ContainerId&)>;

  /// How long a guest that broke a rule is marked: seen by every scraper and long enough for an alert.
  static constexpr std::chrono::minutes suspicion{10};

  /// A guest that takes longer is left out of the report.
  static constexpr std::chrono::milliseconds collect_deadline{500};

  /// `state` is what end() gave when a sandbox of this id was here a short while ago; `port`: guest-probe's.
  Sandbox(EventLoop& loop, TimerQueue& timers, const SandboxPlace& place, FindVmm find_vmm, SandboxState state,
          Settled settled, const GuestTiming& timing = {}, std::uint32_t port = wire::default_port);

  const ContainerId& id() const { return id_; }

  /// Begins to look for the guest.
  void start() { peer_.start(); }
  /// Asks the guest; false if it cannot be asked now.
  bool collect() { return peer_.collect(); }
  /// All that is known now, the processes' figures excepted.
  SandboxReport report(SandboxState::Time now);
  /// Looks whether the report's host figures bear out what the guest said in it; if not, counts that and takes all the
  /// guest's figures out of the report.
  void check_claim(SandboxReport& report);
  /// The sandbox is gone, having had these kills on the host: what has to be told of it after its end.
  SandboxState end(SandboxState::Time now, HostOoms kills);

 private:
  void guest_connected(const wire::Hello& hello) override;
  std::optional<Drop> guest_snapshot(const wire::Snapshot& snapshot) override;
  void guest_oom_event(const wire::OomEvent& event) override;
  void guest_refused(const Drop& drop, bool answer) override;
  void guest_dropped(const Drop& drop) override;
  void count(const Drop& drop);

  ContainerId id_;
  Settled settled_;
  SnapshotRules rules_;
  CpuClaim largest_claim_;
  ClaimedSum claimed_sum_;
  CpuClaim sum_claim_;
  SandboxState state_;
  HostStartTimes start_times_;
  OomEventFilter events_;
  std::string run_;  // boot and instance of the guest-probe that was last connected
  std::uint64_t oom_events_ = 0;
  std::array<std::uint64_t, wire::oom_classes> oom_kills_by_class_{};
  std::array<std::uint64_t, drop_reasons> rejected_{};
  std::bitset<drop_reasons> logged_;  // reasons that have had their line; the counters tell the rest
  std::optional<SandboxState::Time> suspected_at_;
  Allowance event_lines_{256, 10};  // lines of the log for OOM events; the counters tell the rest
  GuestPeer peer_;
};

}  // namespace katameter
