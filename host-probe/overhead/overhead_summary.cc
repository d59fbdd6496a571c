#include "host-probe/overhead/overhead_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace katameter {
namespace {

constexpr double mib = 1048576;

double rank(const std::vector<double>& sorted, double share) {
  const auto at = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(at, 1) - 1];
}

std::string span(std::int64_t seconds) {
  if (seconds >= 2 * 86400) return fmt::format("{} days", seconds / 86400);
  if (seconds >= 2 * 3600) return fmt::format("{} hours", seconds / 3600);
  if (seconds >= 120) return fmt::format("{} minutes", seconds / 60);
  return fmt::format("{} seconds", seconds);
}

std::string stands_on(const HandlerOverhead& handler) {
  return fmt::format("{} sandbox{} over {}", handler.sandboxes, handler.sandboxes == 1 ? "" : "es",
                     span(handler.last - handler.first));
}

/// What the API server takes for a handler (RFC 1123: a label), and so for the name of a RuntimeClass.
bool is_dns_label(std::string_view name) {
  constexpr std::string_view letters_and_digits = "abcdefghijklmnopqrstuvwxyz0123456789";
  if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') return false;
  return std::ranges::all_of(name,
                             [&](char c) { return c == '-' || letters_and_digits.find(c) != letters_and_digits.npos; });
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

std::string overhead_table(const std::vector<HandlerOverhead>& handlers) {
  std::string text = fmt::format("{:<24} {:>10} {:>10} {:>10}   {}\n", "OVERHEAD", "P50", "P95", "MAX", "STANDS ON");
  for (const HandlerOverhead& handler : handlers) {
    const Quantiles& cpu = handler.cpu;
    const Quantiles& memory = handler.memory;
    text += fmt::format("{:<24}\n", handler.handler.empty() ? "(handler not known)" : handler.handler);
    text += fmt::format("  {:<22} {:>8.1f} m {:>8.1f} m {:>8.1f} m   {}\n", "CPU", cpu.p50 * 1000, cpu.p95 * 1000,
                        cpu.max * 1000, stands_on(handler));
    text += fmt::format("  {:<22} {:>7.1f} Mi {:>7.1f} Mi {:>7.1f} Mi\n", "memory", memory.p50 / mib, memory.p95 / mib,
                        memory.max / mib);
  }
  return text;
}

std::string runtime_classes(const std::vector<HandlerOverhead>& handlers) {
  std::string text;
  for (const HandlerOverhead& handler : handlers) {
    const bool known = !handler.handler.empty();
    const std::string name = known ? handler.handler : "handler-not-known";
    if (!is_dns_label(name)) {
      text += "# A handler is left out: its name is none that a RuntimeClass can have.\n";
      continue;
    }
    text += "---\n";
    text += fmt::format("# p95 of {}; max: {:.0f}m, {:.0f}Mi\n", stands_on(handler), std::ceil(handler.cpu.max * 1000),
                        std::ceil(handler.memory.max / mib));
    if (!known) text += "# These sandboxes' handler is not known: put its name in place of handler-not-known.\n";
    // In quotes: a handler may be called 42, or on.
    text += fmt::format(
        "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: \"{0}\"\nhandler: \"{0}\"\n", name);
    text += fmt::format("overhead:\n  podFixed:\n    cpu: {:.0f}m\n    memory: {:.0f}Mi\n",
                        std::max(1.0, std::ceil(handler.cpu.p95 * 1000)),
                        std::max(1.0, std::ceil(handler.memory.p95 / mib)));
  }
  return text;
}

}  // namespace katameter
