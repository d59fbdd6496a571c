#include "host-probe/metrics/scrape_gate.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace katameter {

Result<std::unique_ptr<ScrapeGate>> ScrapeGate::create(EventLoop& loop, Collect collect) {
  Fd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell) return system_failure("cannot make an eventfd");
  std::unique_ptr<ScrapeGate> gate(new ScrapeGate(loop, std::move(bell), std::move(collect)));
  Status watched = loop.watch(gate->bell_, EPOLLIN, [self = gate.get()](std::uint32_t) { self->serve(); });
  if (!watched) return failure_from(std::move(watched.error()));
  return gate;
}

ScrapeGate::~ScrapeGate() {
  close();
  loop_.unwatch(bell_);
}

ScrapeGate::Report ScrapeGate::ask(std::chrono::milliseconds deadline) {
  auto promise = std::make_shared<std::promise<Report>>();
  std::future<Report> answer = promise->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return nullptr;
    queue_.push_back(std::move(promise));
  }
  const std::uint64_t one = 1;
  // Can only fail if the counter is full, and then the bell rings anyway.
  if (write(bell_.get(), &one, sizeof one) < 0) return nullptr;
  if (answer.wait_for(deadline) != std::future_status::ready) return nullptr;
  return answer.get();
}

void ScrapeGate::serve() {
  std::uint64_t rings = 0;
  if (read(bell_.get(), &rings, sizeof rings) < 0) return;
  std::vector<Promise> asked;
  {
    const std::lock_guard lock(mutex_);
    asked = std::exchange(queue_, {});
  }
  if (asked.empty()) return;
  collect_([asked = std::move(asked)](const Report& report) {
    for (const Promise& promise : asked) promise->set_value(report);
  });
}

void ScrapeGate::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const Promise& promise : std::exchange(queue_, {})) promise->set_value(nullptr);
}

}  // namespace katameter
