// The way of a scrape on the host from a report to text, for callgrind to count: 20 sandboxes of 4 containers.

#include "host-probe/metrics/render.h"
#include "tests/support/synthetic_report.h"

using namespace katameter;
using namespace katameter::host;

extern "C" std::size_t measured_part(const NodeReport& report);

// Counting begins and ends with it, by name.
extern "C" __attribute__((noinline)) std::size_t measured_part(const NodeReport& report) {
  std::size_t bytes = 0;
  render(report, [&](std::string_view part) { bytes += part.size(); });
  return bytes;
}

int main() {
  const NodeReport report = testing::synthetic_report(20, 4);
  return measured_part(report) > 0 ? 0 : 1;
}
