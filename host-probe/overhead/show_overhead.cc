#include "host-probe/overhead/show_overhead.h"

#include <cerrno>
#include <sstream>

#include "host-probe/overhead/overhead_summary.h"
#include "host-probe/overhead/state_file.h"

namespace katameter {

Result<std::string> show_overhead(const std::string& state_file) {
  const Result<std::string> text = read_state(state_file);
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

}  // namespace katameter
