// usage: scrape_race SANDBOXES ROUNDS
//
// What a series costs in a scrape, in turns: host-probe's own way from a report to text, and prometheus-cpp's Registry
// that holds the same series already and only has to write them. Four containers a sandbox. Prints for each round
// "OURS REGISTRY" in nanoseconds of CPU time a series, and before all how many series there are.

#include <time.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/plain_registry.h"
#include "tests/support/rendered.h"
#include "tests/support/synthetic_report.h"

using namespace katameter;
using namespace katameter::host;

namespace {

constexpr std::size_t containers_of_each = 4;

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
  const int sandboxes = argc == 3 ? std::atoi(argv[1]) : 0;
  if (sandboxes <= 0) {
    std::fprintf(stderr, "usage: scrape_race SANDBOXES ROUNDS\n");
    return 2;
  }
  const NodeReport report = testing::synthetic_report(static_cast<std::size_t>(sandboxes), containers_of_each);
  testing::PlainRegistry registry;
  if (const Status status = registry.fill(rendered_text(report)); !status) {
    std::fprintf(stderr, "scrape_race: %s\n", status.error().text.c_str());
    return 1;
  }
  std::printf("series %zu\n", registry.series());
  const double each = 1.0 / static_cast<double>(registry.series());
  std::size_t bytes = rendered_text(report).size() + registry.written().size();  // the allocator has grown
  for (int round = std::atoi(argv[2]); round > 0; --round) {
    const double start = cpu_ns();
    bytes += rendered_text(report).size();
    const double between = cpu_ns();
    bytes += registry.written().size();
    const double end = cpu_ns();
    std::printf("%.2f %.2f\n", (between - start) * each, (end - between) * each);
  }
  return bytes > 0 ? 0 : 1;
}
