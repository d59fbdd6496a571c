#include "host-probe/pods/pod_stats.h"

#include <utility>

namespace katameter::host {

Result<std::unique_ptr<PodStats>> PodStats::create(EventLoop& loop, std::unique_ptr<StatsSource> source,
                                                   const StatsTiming& timing) {
  std::unique_ptr<PodStats> stats(new PodStats(loop, timing));
  if (Status made = stats->set_source(std::move(source)); !made) return failure_from(made.error());
  return stats;
}

Status PodStats::set_source(std::unique_ptr<StatsSource> source) {
  auto thread = SourceThread<StatsSource>::create(loop_, std::move(source),
                                                  [this](const StatsSource::Answer& answer) { answered(answer); });
  if (!thread) return failure_from(std::move(thread.error()));
  thread_ = std::move(*thread);
  open_ = false;
  asked_at_.reset();
  return {};
}

void PodStats::wanted() {
  const auto now = Clock::now();
  if (open_ || (asked_at_ && now - *asked_at_ < timing_.interval)) return;
  open_ = true;
  asked_at_ = now;
  thread_->ask({});
}

void PodStats::answered(const StatsSource::Answer& answer) {
  open_ = false;
  if (!answer) return;
  stats_ = *answer;
  stats_at_ = *asked_at_;
}

const std::vector<ContainerStats>* PodStats::of(const ContainerId& sandbox) const {
  if (!stats_ || Clock::now() - stats_at_ > timing_.max_age) return nullptr;
  const auto found = stats_->find(sandbox);
  return found == stats_->end() ? nullptr : &found->second;
}

std::chrono::seconds PodStats::age() const {
  return std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - stats_at_);
}

}  // namespace katameter::host
