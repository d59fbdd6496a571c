#include "host-probe/pods/runtime_stats.h"

#include <unistd.h>

#include <utility>

#include "userspace/log.h"

namespace katameter::host {

// An agent takes longer than a list of names, and one that hangs must not be asked all the time.
RuntimeTiming RuntimeStats::default_timing() {
  RuntimeTiming timing;
  timing.deadline = std::chrono::seconds(10);
  timing.retry_min = std::chrono::seconds(30);
  timing.retry_max = std::chrono::minutes(10);
  return timing;
}

RuntimeStats::RuntimeStats(const std::vector<RuntimeEndpoint>& endpoints, const RuntimeTiming& timing)
    : timing_(timing) {
  for (const RuntimeEndpoint& endpoint : endpoints) {
    Runtime& runtime = runtimes_.emplace_back();
    runtime.endpoint = endpoint;
    runtime.client = std::make_unique<CriClient>(endpoint.socket);
  }
}

void RuntimeStats::cancel() {
  for (const Runtime& runtime : runtimes_) runtime.client->cancel();
}

StatsSource::Answer RuntimeStats::look_up(const Request& /*all*/) {
  Answer answer;
  for (Runtime& runtime : runtimes_) {
    // RuntimeNames says that a runtime is away.
    if (access(runtime.endpoint.socket.c_str(), F_OK) != 0) continue;
    if (runtime.failures > 0 && Clock::now() < runtime.not_before) continue;
    const auto listing = runtime.client->list(timing_.deadline, CriClient::Scope::containers_and_stats);
    if (!listing) {
      note_failure(runtime, listing.error());
      continue;
    }
    runtime.failures = 0;
    if (!answer) answer.emplace();
    answer->merge(stats_in(*listing));
  }
  return answer;
}

void RuntimeStats::note_failure(Runtime& runtime, const CriFailure& failure) const {
  using Kind = CriFailure::Kind;
  ++runtime.failures;
  runtime.not_before = Clock::now() + timing_.wait_after(failure.kind, runtime.failures);
  // What has no CRI RuntimeNames says.
  const bool said = failure.kind == Kind::cancelled || failure.kind == Kind::no_cri;
  log(runtime.failures == 1 && !said ? LogLevel::warning : LogLevel::debug,
      "containers of guests without guest-probe may have no metrics", {{"error", failure.text}});
}

}  // namespace katameter::host
