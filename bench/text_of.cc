#include "bench/text_of.h"

#include <prometheus/text_serializer.h>

#include <sstream>

#include "host-probe/exposition/render.h"

namespace katameter::bench {

std::string container_series(const wire::Snapshot& snapshot) {
  NodeReport report;
  SandboxReport& sandbox = report.sandboxes.emplace_back();
  sandbox.guest_up = true;
  sandbox.containers = snapshot.containers;
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, render(report));
  std::istringstream lines(text.str());
  std::string series;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("container_")) series += line + '\n';
  }
  return series;
}

}  // namespace katameter::bench
