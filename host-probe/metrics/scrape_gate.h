#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "host-probe/node/report.h"
#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// Where the HTTP server's threads wait for the event loop's thread. ask() is for any thread, the rest for the loop's.
class ScrapeGate {
 public:
  using Report = std::shared_ptr<const NodeReport>;
  /// Starts a collection and hands its report to the given function, now or later, in the loop's thread.
  using Collect = std::function<void(std::function<void(Report)>)>;

  static Result<std::unique_ptr<ScrapeGate>> create(EventLoop& loop, Collect collect);
  ~ScrapeGate();
  ScrapeGate(const ScrapeGate&) = delete;
  ScrapeGate& operator=(const ScrapeGate&) = delete;

  /// A report of now; null if there is none within `deadline` or the gate was closed.
  Report ask(std::chrono::milliseconds deadline);

  /// The loop serves no longer: everybody who waits goes away with nothing, and so does whoever comes later.
  void close();

 private:
  using Promise = std::shared_ptr<std::promise<Report>>;
  ScrapeGate(EventLoop& loop, Fd bell, Collect collect)
      : loop_(loop), bell_(std::move(bell)), collect_(std::move(collect)) {}
  void serve();

  EventLoop& loop_;
  Fd bell_;
  Collect collect_;
  std::mutex mutex_;
  bool closed_ = false;         // under mutex_
  std::vector<Promise> queue_;  // under mutex_; not yet seen by the loop
};

}  // namespace katameter
