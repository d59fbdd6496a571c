#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "host-probe/guest/connect.h"
#include "host-probe/guest/drop_reason.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/token_bucket.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

// How much one guest may send, and how often it is connected to.
namespace katameter::host {

/// What one guest may make the host work on. It outlives connections: a new one brings no new tokens.
///
/// guest-probe itself stays far below: the largest frame is 5 MiB, when 2,200 containers have every value at its
/// largest, and comes once for each scrape; it keeps 256 events (OOM_SLOTS), and a kernel needs milliseconds for each
/// OOM kill.
struct GuestRateLimits {
  TokenBucket bytes{8.0 * 1024 * 1024, 2.0 * 1024 * 1024};
  TokenBucket events{1024, 100};
  TokenBucket cpu_seconds{1.0, 0.05};  // of host-probe's thread
};

/// How long to wait before the next attempt: doubles from `min` up to `max`. Each wait is drawn from the upper half of
/// its step, so that the sandboxes of a node do not all come back in the same moment.
class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration min, Duration max, std::uint32_t seed = std::random_device{}()) : min_(min), max_(max), step_(min) {
    // Seeds that are near each other would else begin with waits that are.
    std::seed_seq spread{seed};
    random_.seed(spread);
  }

  Duration next() {
    std::uniform_int_distribution<Duration::rep> draw(step_.count() / 2, step_.count());
    const Duration wait(draw(random_));
    step_ = std::min(2 * step_, max_);
    return wait;
  }

  /// The attempt succeeded: begin again at `min`.
  void reset() { step_ = min_; }

 private:
  Duration min_;
  Duration max_;
  Duration step_;
  std::minstd_rand random_;
};

/// Receives what one guest sends. Called from the event loop; must not destroy the client from inside a call.
class GuestListener {
 public:
  using Time = TimerQueue::Clock::time_point;

  virtual ~GuestListener() = default;
  /// A connection is up and the guest has introduced itself.
  virtual void guest_connected(const wire::Hello& hello) = 0;
  /// The answer to the Collect that was sent at `asked`. True: it is accepted, and will be acknowledged.
  virtual bool guest_snapshot(const wire::Snapshot& snapshot, Time asked) = 0;
  /// May come at any time, and again after a reconnect; acknowledged when this returns.
  virtual void guest_oom_event(const wire::OomEvent& event) = 0;
  /// The guest refuses a request. `answer`: it was asked for a snapshot, and this is the answer.
  virtual void guest_refused(const Drop& drop, bool answer) = 0;
  /// A connection, or an attempt at one, has ended; the client tries again by itself.
  virtual void guest_disconnected(const Drop& drop) = 0;
};

/// Timeouts and retry intervals of one guest.
struct GuestTiming {
  using Duration = std::chrono::milliseconds;
  Duration connect_timeout{5'000};        // from the connection to the guest's Hello
  Duration answer_timeout{10'000};        // from Collect to the Snapshot; beyond it the connection is closed
  Duration absence_backoff_min{250};      // before the next attempt at a guest that is not there
  Duration absence_backoff_max{10'000};   // a guest-probe that starts late is found within this time
  Duration violation_backoff_min{1'000};  // the same after a violation of the protocol
  Duration violation_backoff_max{60'000};
  Duration other_version{300'000};  // the same for a guest of another version: it has to be upgraded first
  // Since the sandbox appeared, or its guest-probe was lost. After it, the waits for a guest that said no are longer.
  Duration search_time{120'000};
  Duration refusal_backoff_min{30'000};
  Duration refusal_backoff_max{600'000};
  GuestRateLimits limits{};  // that each guest starts with
};

/// Keeps one connection to the guest of one sandbox, as long as the client lives: connect, handshake, Hello, then one
/// Snapshot for each Collect. Never blocks. For the event loop's thread only.
class GuestClient {
 public:
  using Connect = std::function<Result<Fd>(const GuestAddress&)>;

  /// `connect` replaces the way to the guest in tests.
  GuestClient(EventLoop& loop, TimerQueue& timers, GuestAddress address, GuestListener& listener,
              const GuestTiming& timing = {}, Connect connect = &connect_guest);
  ~GuestClient();
  GuestClient(const GuestClient&) = delete;
  GuestClient& operator=(const GuestClient&) = delete;

  /// First attempt. Ends in guest_connected() or guest_disconnected(), possibly before it returns.
  void start();
  /// A guest-probe may have started: one attempt soon at a guest where nobody has listened.
  void look_again();

  /// Asks for a snapshot unless one is already on its way. False if there is no connection to ask over.
  bool collect();
  /// The guest has introduced itself, and the connection is up.
  bool connected() const { return connection_ && connection_->has_hello; }
  /// The last attempt to connect met a socket at which nobody listens.
  bool refused() const { return refused_; }
  /// The guest answered the last attempt: nobody listens. Each attempt wakes the VM, so it is not tried for minutes.
  bool said_no() const { return said_no_; }
  /// A Collect was sent, its answer has not come, and its timeout has not passed.
  bool waiting() const { return connection_ && connection_->asked; }

 private:
  /// What belongs to one connection.
  struct Connection {
    Fd socket;
    Handshake handshake;
    bool connecting = false;  // connect() has not succeeded yet
    bool has_hello = false;   // its Hello was read
    wire::FrameReader frames;
    std::string unsent;
    bool waits_to_send = false;
    std::optional<GuestListener::Time> asked;  // when the Collect without an answer was sent
    wire::Acknowledge received;
    bool acknowledge_due = false;
  };

  void attempt();
  Status open(Fd socket);
  void ready(std::uint32_t events);
  std::optional<Drop> finish_connect();
  std::optional<Drop> receive();
  std::optional<Drop> take(std::string_view bytes);
  std::optional<Drop> take_message(const wire::GuestMessage& message);
  std::optional<Drop> take(const wire::Hello& hello);
  std::optional<Drop> take(const wire::Snapshot& snapshot);
  std::optional<Drop> take(const wire::OomEvent& event);
  std::optional<Drop> take(const wire::Refusal& refusal);
  std::optional<Drop> take(const wire::Unknown& unknown);
  Drop end_of_stream() const;
  void send(const wire::HostMessage& message);
  void send_hello();
  void flush();
  void disconnect(const Drop& drop);
  GuestTiming::Duration wait_after(DropReason reason);
  bool searching() const { return TimerQueue::Clock::now() - sign_ < timing_.search_time; }

  EventLoop& loop_;
  TimerQueue& timers_;
  GuestAddress address_;
  GuestListener& listener_;
  GuestTiming timing_;
  Connect connect_;
  Backoff absence_backoff_;
  Backoff violation_backoff_;
  Backoff refusal_backoff_;
  GuestListener::Time sign_{};  // when the sandbox appeared, or a connection to its guest-probe was lost
  bool said_no_ = false;
  GuestRateLimits limits_;
  double cpu_seconds_due_ = 0;  // that the last read took, not yet taken from the limits
  TimerQueue::Timer timeout_;
  TimerQueue::Timer retry_;
  std::uint64_t request_ = 0;  // number of the last Collect
  bool refused_ = false;
  std::optional<Connection> connection_;
};

}  // namespace katameter::host
