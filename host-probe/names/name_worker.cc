#include "host-probe/names/name_worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace katameter::host {

Result<std::unique_ptr<NameWorker>> NameWorker::create(EventLoop& loop, std::unique_ptr<NameSource> source,
                                                       Answered answered) {
  Fd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell) return system_failure("cannot make an event descriptor");
  std::unique_ptr<NameWorker> worker(new NameWorker(loop, std::move(source), std::move(answered), std::move(bell)));
  Status watched = loop.watch(worker->bell_, EPOLLIN, [raw = worker.get()](std::uint32_t) { raw->tell(); });
  if (!watched) return failure_from(std::move(watched.error()));
  try {
    worker->thread_ = std::thread([raw = worker.get()] { raw->work(); });
  } catch (const std::system_error& error) {
    return system_failure("cannot start a thread", error.code().value());
  }
  return worker;
}

NameWorker::~NameWorker() {
  loop_.unwatch(bell_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  source_->cancel();
  if (thread_.joinable()) thread_.join();
}

void NameWorker::ask(NameQuestion question) {
  {
    const std::lock_guard lock(mutex_);
    question_ = std::move(question);
  }
  changed_.notify_one();
}

void NameWorker::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || question_; });
    if (stopping_) return;
    const NameQuestion question = std::move(*question_);
    question_.reset();
    lock.unlock();
    NameAnswer answer = source_->look_up(question);
    lock.lock();
    answer_ = std::move(answer);
    // An eventfd that holds less than 2^64 - 1 takes this at once.
    eventfd_write(bell_.get(), 1);
  }
}

void NameWorker::tell() {
  eventfd_t rung = 0;
  eventfd_read(bell_.get(), &rung);
  std::optional<NameAnswer> answer;
  {
    const std::lock_guard lock(mutex_);
    answer = std::exchange(answer_, std::nullopt);
  }
  if (answer) answered_(*answer);
}

}  // namespace katameter::host
