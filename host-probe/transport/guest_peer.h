#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "host-probe/discovery/layout.h"
#include "host-probe/timer_queue.h"
#include "host-probe/transport/backoff.h"
#include "host-probe/transport/guest_connection.h"
#include "host-probe/transport/vsock.h"
#include "host-probe/trust/drop_reason.h"
#include "host-probe/trust/guest_budget.h"
#include "userspace/event_loop.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// Hears what one guest says. Called from the event loop; must not destroy the peer from inside.
class GuestObserver {
 public:
  virtual ~GuestObserver() = default;
  /// A connection is up and the guest has introduced itself.
  virtual void guest_connected(const wire::Hello& hello) = 0;
  /// The answer to collect(). Nothing: it was taken over, and is acknowledged. A Drop: it is not believed.
  virtual std::optional<Drop> guest_snapshot(const wire::Snapshot& snapshot) = 0;
  /// May come at any time, and again after a reconnect; acknowledged when this returns.
  virtual void guest_oom_event(const wire::OomEvent& event) = 0;
  /// The guest does not do what it was asked. `answer`: it was asked for a snapshot, and that is the answer.
  virtual void guest_refused(const Drop& drop, bool answer) = 0;
  /// A connection, or an attempt at one, has ended; the peer tries again by itself.
  virtual void guest_dropped(const Drop& drop) = 0;
};

/// Where a guest's vsock ends on the host.
struct GuestAddress {
  std::string directory;
  std::string socket;
  std::uint32_t port = wire::default_port;
  Reach reach = Reach::hybrid;  // cid: `socket` is not for us, the CID is found by way of `directory` and `find_vmm`
  FindVmm find_vmm{};
};

/// How patient the host is with a guest.
struct GuestTiming {
  using Duration = std::chrono::milliseconds;
  Duration connect_deadline{5'000};  // from CONNECT to the guest's Hello
  Duration answer_deadline{10'000};  // from Collect to the Snapshot; beyond it the connection is given up
  Duration absent_first{250};        // first wait before another attempt at a guest that is not there
  Duration absent_longest{10'000};   // a guest-probe that starts late is found within this time
  Duration distrust_first{1'000};    // the same for one that broke the protocol
  Duration distrust_longest{60'000};
  Duration other_version{300'000};  // it has to be upgraded first
  GuestBudget budget{};             // that each guest starts with
};

/// Keeps one connection to the guest of one sandbox, for as long as the peer lives.
class GuestPeer {
 public:
  GuestPeer(EventLoop& loop, TimerQueue& timers, GuestAddress address, GuestObserver& observer,
            const GuestTiming& timing = {});

  /// First attempt. Ends in guest_connected() or guest_dropped(), possibly before it returns.
  void start();

  /// Asks for a snapshot unless one is already on its way. False if there is no connection to ask over.
  bool collect();
  bool connected() const { return ready_; }

 private:
  void attempt();
  void opened();
  std::optional<Drop> received(std::size_t bytes);
  std::optional<Drop> message(const wire::GuestMessage& message);
  std::optional<Drop> take(const wire::Hello& hello);
  std::optional<Drop> take(const wire::Snapshot& snapshot);
  std::optional<Drop> take(const wire::OomEvent& event);
  std::optional<Drop> take(const wire::Refusal& refusal);
  std::optional<Drop> take(const wire::Unknown& unknown);
  void acknowledge();
  void ended(const Drop& drop);
  GuestTiming::Duration wait_after(DropReason reason);
  void drained();

  EventLoop& loop_;
  TimerQueue& timers_;
  GuestAddress address_;
  GuestObserver& observer_;
  GuestTiming timing_;
  Backoff absence_;
  Backoff distrust_;
  GuestBudget budget_;
  double work_began_ = 0;   // of the thread's CPU time, when this turn of the guest's did; seconds
  double work_unpaid_ = 0;  // that its last turn took
  TimerQueue::Timer deadline_;
  TimerQueue::Timer retry_;
  std::unique_ptr<GuestConnection> connection_;

  // Of this connection; a new one starts with none of it.
  bool ready_ = false;
  bool asked_ = false;
  bool acknowledge_due_ = false;
  wire::Acknowledge seen_;

  std::uint64_t request_ = 0;
};

}  // namespace katameter
