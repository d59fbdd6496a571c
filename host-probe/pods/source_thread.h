#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host {

/// Where something comes from that takes its time: the node's container runtime in production, a table in tests.
template <typename RequestType, typename AnswerType>
class SlowSource {
 public:
  using Request = RequestType;
  using Answer = AnswerType;

  SlowSource() = default;
  virtual ~SlowSource() = default;
  SlowSource(const SlowSource&) = delete;
  SlowSource& operator=(const SlowSource&) = delete;

  /// Takes as long as it takes, though not for ever; called in a thread of its own (SourceThread).
  virtual Answer look_up(const Request& request) = 0;
  /// Called from another thread: a look_up() under way is to return as soon as it can, later ones at once.
  virtual void cancel() = 0;
};

/// Asks a SlowSource in a thread of its own, so that the event loop never waits for a runtime. One request at a time.
/// All members are for the event loop's thread.
template <typename Source>
class SourceThread {
 public:
  using Request = typename Source::Request;
  using Answer = typename Source::Answer;
  using Answered = std::function<void(const Answer&)>;

  /// `answered` is called from the event loop.
  static Result<std::unique_ptr<SourceThread>> create(EventLoop& loop, std::unique_ptr<Source> source,
                                                      Answered answered) {
    Fd wakeup(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wakeup) return system_failure("cannot make an event descriptor");
    std::unique_ptr<SourceThread> created(
        new SourceThread(loop, std::move(source), std::move(answered), std::move(wakeup)));
    Status watched = loop.watch(created->wakeup_, EPOLLIN, [raw = created.get()](std::uint32_t) { raw->deliver(); });
    if (!watched) return failure_from(std::move(watched.error()));
    try {
      created->thread_ = std::thread([raw = created.get()] { raw->work(); });
    } catch (const std::system_error& error) {
      return system_failure("cannot start a thread", error.code().value());
    }
    return created;
  }

  /// Cancels a request that is open; its answer is not reported.
  ~SourceThread() {
    loop_.unwatch(wakeup_);
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    source_->cancel();
    if (thread_.joinable()) thread_.join();
  }
  SourceThread(const SourceThread&) = delete;
  SourceThread& operator=(const SourceThread&) = delete;

  /// The last request must have been answered.
  void ask(Request request) {
    {
      const std::lock_guard lock(mutex_);
      request_ = std::move(request);
    }
    changed_.notify_one();
  }

 private:
  SourceThread(EventLoop& loop, std::unique_ptr<Source> source, Answered answered, Fd wakeup)
      : loop_(loop), source_(std::move(source)), answered_(std::move(answered)), wakeup_(std::move(wakeup)) {}

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || request_; });
      if (stopping_) return;
      const Request request = std::move(*request_);
      request_.reset();
      lock.unlock();
      Answer answer = source_->look_up(request);
      lock.lock();
      answer_ = std::move(answer);
      // An eventfd that holds less than 2^64 - 1 takes this at once.
      eventfd_write(wakeup_.get(), 1);
    }
  }

  void deliver() {
    eventfd_t count = 0;
    eventfd_read(wakeup_.get(), &count);
    std::optional<Answer> answer;
    {
      const std::lock_guard lock(mutex_);
      answer = std::exchange(answer_, std::nullopt);
    }
    if (answer) answered_(*answer);
  }

  EventLoop& loop_;
  std::unique_ptr<Source> source_;
  Answered answered_;
  Fd wakeup_;  // readable when there is an answer

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::optional<Request> request_;
  std::optional<Answer> answer_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace katameter::host
