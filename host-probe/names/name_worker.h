#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "host-probe/names/name_source.h"
#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host {

/// Asks a NameSource in a thread of its own, so that the event loop never waits for a runtime. One question at a time.
/// All members are for the event loop's thread.
class NameWorker {
 public:
  using Answered = std::function<void(const NameAnswer&)>;

  /// `answered` is called from the event loop.
  static Result<std::unique_ptr<NameWorker>> create(EventLoop& loop, std::unique_ptr<NameSource> source,
                                                    Answered answered);
  /// Cancels a question that is open; its answer is not told.
  ~NameWorker();
  NameWorker(const NameWorker&) = delete;
  NameWorker& operator=(const NameWorker&) = delete;

  /// The last question must have been answered.
  void ask(NameQuestion question);

 private:
  NameWorker(EventLoop& loop, std::unique_ptr<NameSource> source, Answered answered, Fd bell)
      : loop_(loop), source_(std::move(source)), answered_(std::move(answered)), bell_(std::move(bell)) {}
  void work();
  void tell();

  EventLoop& loop_;
  std::unique_ptr<NameSource> source_;
  Answered answered_;
  Fd bell_;  // rung when there is an answer

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::optional<NameQuestion> question_;
  std::optional<NameAnswer> answer_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace katameter::host
