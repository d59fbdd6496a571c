#include "bench/text_of.h"

#include <sstream>

#include "bench/host/exposed.h"

namespace katameter::bench {

std::string container_series(const wire::Snapshot& snapshot) {
  NodeReport report;
  SandboxReport& sandbox = report.sandboxes.emplace_back();
  sandbox.guest_up = true;
  sandbox.containers = snapshot.containers;
  std::istringstream lines(exposed(report));
  std::string series;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("container_")) series += line + '\n';
  }
  return series;
}

}  // namespace katameter::bench
