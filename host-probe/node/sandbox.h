#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "host-probe/discovery/discovery.h"
#include "host-probe/guest/client.h"
#include "host-probe/node/guest_run.h"
#include "host-probe/node/report.h"
#include "host-probe/node/runtime_view.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"
#include "userspace/token_bucket.h"

namespace katameter::host {

/// Waits for the answers of sandboxes.
class SandboxListener {
 public:
  virtual ~SandboxListener() = default;
  /// A collect() that returned true has an answer, or will have none. Must not destroy the sandbox.
  virtual void sandbox_answered(const SandboxId& id) = 0;
};

/// One sandbox as long as it is there: the client of its guest, the present run of the guest, what is kept over all
/// runs.
class Sandbox : private GuestListener {
 public:
  using Time = TimerQueue::Clock::time_point;

  /// How long a guest is marked as suspect: seen by every scraper and long enough for an alert.
  static constexpr std::chrono::minutes suspicion{10};

  /// How long a guest that has never connected may be silent: a VMM may take connections before its guest does.
  static constexpr std::chrono::minutes boot_time{2};

  /// A guest that takes longer is late: its answer is in the next report.
  static constexpr std::chrono::milliseconds collect_deadline{500};

  /// `history` is what end() gave when a sandbox of this id was here a short while ago; `port`: guest-probe's.
  Sandbox(EventLoop& loop, TimerQueue& timers, const SandboxPlace& place, FindVmm find_vmm, SandboxHistory history,
          SandboxListener& listener, const GuestTiming& timing = {}, std::uint32_t port = wire::default_port);

  const SandboxId& id() const { return place_->id; }
  const SandboxPlace& place() const { return *place_; }
  /// The guest is not connected, and nothing listened the last time that it was tried. `sees_ends`: whether its
  /// processes are followed. Then it is worth a look even while the guest is not tried.
  bool may_be_dead(bool sees_ends) const {
    if (client_.connected()) return false;
    return client_.refused() || (sees_ends && client_.said_no()) || place_->reach == Reach::cid;
  }

  /// Begins to look for the guest.
  void start() { client_.start(); }
  /// Asks the guest; false if it cannot be asked now.
  bool collect() { return client_.collect(); }
  /// The same once more, since the sandbox is about to end: whatever the guest has answered by then, check_guest() returns.
  bool collect_last() {
    leaving_ = true;
    return client_.collect();
  }
  /// The guest has sent a snapshot that check_guest() has not seen.
  bool unreported() const { return run_ && run_->unreported(); }
  Time appeared() const { return appeared_; }
  /// The guest has not answered the collection, whose report is made now.
  void miss_deadline();

  /// The guest's part of the report of the collection that began at `began`; nothing if the guest has not answered, or
  /// if it is not believed: by the rules, when its snapshot came, or now by `host`, which may be null. What is believed
  /// is counted, so call this once for a report, and take_ended() with it.
  std::optional<GuestView> check_guest(Time began, Time now, const SandboxProcesses* host);
  /// The guest's part of a report by what the container runtime says; nothing of a guest whose guest-probe has introduced
  /// itself, whose values are exact: they would not fit together. Nor of one that says what cannot be. After
  /// check_guest(). `stats`: of its containers; `age_seconds`: theirs.
  std::optional<GuestView> runtime_view(const std::vector<ContainerStats>& stats, std::int64_t age_seconds, Time now);
  /// Keeps the containers of the view that have ended, and takes them out of it and of the account, which may be null.
  void take_ended(GuestView& view, Account* account, Time now);
  /// See SandboxHistory::unknown_containers; from the next snapshot on.
  void set_unknown_containers(std::set<ContainerId> containers) { history_.unknown_containers = std::move(containers); }
  /// All that is known now of the sandbox itself, after check_guest().
  SandboxReport report(Time now);
  /// The sandbox is gone, having had these kills on the host, and its containers these costs: what is kept after its end.
  SandboxHistory end(Time now, HostOoms kills, const std::map<ContainerId, SharedCosts>& costs);

 private:
  void guest_connected(const wire::Hello& hello) override;
  bool guest_snapshot(const wire::Snapshot& snapshot, Time asked) override;
  void guest_oom_event(const wire::OomEvent& event) override;
  void guest_refused(const Drop& drop, bool answer) override;
  void guest_disconnected(const Drop& drop) override;
  void count(const Drop& drop);
  void count_left_out();

  std::shared_ptr<const SandboxPlace> place_;
  SandboxListener& listener_;
  SandboxHistory history_;
  std::shared_ptr<const GuestInfo> info_;  // of the last Hello, if it was admitted
  std::optional<GuestRun> run_;            // since the guest has introduced itself for the first time
  RuntimeView runtime_view_;               // until then
  std::array<std::uint64_t, drop_reasons> rejected_{};
  bool logged_left_out_ = false;
  std::bitset<drop_reasons> logged_;  // reasons that have had their line; the counters have the rest
  std::optional<Time> suspected_at_;
  TokenBucket steps_{5, 1.0 / 120};   // that an honest guest may take: no one restores a guest more often
  TokenBucket event_lines_{256, 10};  // lines of the log for OOM events; the counters have the rest
  bool leaving_ = false;
  Time appeared_ = TimerQueue::Clock::now();
  GuestClient client_;
};

}  // namespace katameter::host
