// The way of a scrape on the host from a report to text, for callgrind to count: 20 sandboxes of 4 containers.

#include "bench/host/exposed.h"
#include "bench/host/synthetic_report.h"

using namespace katameter;

extern "C" std::size_t measured_part(const NodeReport& report);

// Counting begins and ends with it, by name.
extern "C" __attribute__((noinline)) std::size_t measured_part(const NodeReport& report) {
  return bench::exposed(report).size();
}

int main() {
  const NodeReport report = bench::synthetic_report(20, 4);
  return measured_part(report) > 0 ? 0 : 1;
}
