#include "host-probe/cli/overhead.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <sstream>
#include <string_view>

#include "userspace/fd.h"

namespace katameter::host {
namespace {

constexpr double mib = 1048576;

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

Result<std::string> show_overhead(const std::string& state_file) {
  const Result<std::string> text = read_file(state_file);
  if (!text && text.error().code == ENOENT) {
    return failure("there is no " + state_file +
                   " yet: a running host-probe writes it a minute after it was first asked for metrics with a sandbox "
                   "there; another file is given with --state-file");
  }
  if (!text) return failure_from(text.error());
  const Result<OverheadHistory> history = OverheadHistory::parse(*text);
  if (!history) return failure(state_file + " cannot be used: " + history.error().text);
  const std::vector<HandlerOverhead> handlers = summarize(*history);
  if (handlers.empty()) return failure(state_file + " has no sandbox yet");

  std::string out;
  std::istringstream table(overhead_table(handlers));
  for (std::string line; std::getline(table, line);) out += "# " + line + "\n";
  out +=
      "# Beyond the workload: VMM, virtiofsd, shim and the guest's own system. Of each sandbox's CPU its mean, of its\n"
      "# memory the highest; podFixed is p95.\n";
  return out + runtime_classes(handlers);
}

}  // namespace katameter::host
