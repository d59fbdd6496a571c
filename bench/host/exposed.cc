#include "bench/host/exposed.h"

#include "host-probe/metrics/render.h"

namespace katameter::host::bench {

std::string exposed(const NodeReport& report) {
  std::string text;
  render(report, [&](std::string_view part) { text += part; });
  return text;
}

}  // namespace katameter::host::bench
