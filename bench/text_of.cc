#include "bench/text_of.h"

#include <sstream>

#include "bench/host/exposed.h"

namespace katameter::bench {

std::string container_series(const wire::Snapshot& snapshot) {
  NodeReport report;
  report.sandboxes.emplace_back().guest.emplace().containers = snapshot.containers;
  std::istringstream lines(exposed(report));
  std::string series;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("container_")) series += line + '\n';
  }
  return series;
}

}  // namespace katameter::bench
