#include "host-probe/overhead/overhead_summary.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace katameter::host {
namespace {

double rank(const std::vector<double>& sorted, double share) {
  const auto at = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(at, 1) - 1];
}

}  // namespace

Quantiles quantiles(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  return {rank(values, 0.5), rank(values, 0.95), values.back()};
}

std::vector<HandlerOverhead> summarize(const OverheadHistory& history) {
  struct Values {
    HandlerOverhead summary;
    std::vector<double> cpu;
    std::vector<double> memory;
  };
  std::map<std::string, Values> handlers;
  for (const auto& [id, sandbox] : history.sandboxes()) {
    Values& values = handlers[sandbox.handler];
    HandlerOverhead& summary = values.summary;
    summary.handler = sandbox.handler;
    summary.first = summary.sandboxes == 0 ? sandbox.first : std::min(summary.first, sandbox.first);
    summary.last = std::max(summary.last, sandbox.last);
    ++summary.sandboxes;
    values.memory.push_back(static_cast<double>(sandbox.memory_bytes));
    if (sandbox.seconds > 0) values.cpu.push_back(sandbox.cpu_seconds / sandbox.seconds);
  }
  std::vector<HandlerOverhead> summaries;
  for (auto& [handler, values] : handlers) {
    values.summary.cpu = quantiles(std::move(values.cpu));
    values.summary.memory = quantiles(std::move(values.memory));
    summaries.push_back(std::move(values.summary));
  }
  return summaries;
}

}  // namespace katameter::host
