#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "host-probe/cli/overhead.h"
#include "host-probe/overhead/history.h"

using namespace katameter;
using namespace katameter::host;

// The state file of `host-probe overhead`. What was read can be printed, and written again as what it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto history = OverheadHistory::parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!history) return 0;
  const std::string text = history->text();
  const auto again = OverheadHistory::parse(text);
  if (!again || again->text() != text) std::abort();
  const auto handlers = summarize(*history);
  if (handlers.empty() != history->empty()) std::abort();
  if (overhead_table(handlers).empty() || runtime_classes(handlers).empty() != handlers.empty()) std::abort();
  return 0;
}
