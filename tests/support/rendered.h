#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "host-probe/node/report.h"
#include "userspace/wire/messages.h"

// What the tests of rendering look at, and what they render.
namespace katameter::host {

inline const std::string sandbox_hex(64, 'a');
inline const std::string container_hex(64, 'c');

using Series = std::map<std::string, std::string>;  // label -> value

/// What a scraper gets of a report, made the way that host-probe makes it.
std::string rendered_text(const NodeReport& report);

/// The containers of a snapshot as Prometheus text, series alone: without what is said once of each metric, and with the
/// names of pods and containers, which no guest knows, empty.
std::string container_series(const wire::Snapshot& snapshot);

/// A rendered text read back: a family for each TYPE line, with the series that follow it.
std::vector<prometheus::MetricFamily> read_families(const std::string& text);

/// The families of one rendering, looked at by name and labels.
struct Rendered {
  explicit Rendered(const NodeReport& report);

  const prometheus::MetricFamily* family(const std::string& name) const;
  std::optional<double> value(const std::string& name, const Series& labels) const;

  std::vector<prometheus::MetricFamily> families;
};

inline const Series full_container_labels{{"id", "/kata/" + sandbox_hex + "/" + container_hex},
                                          {"name", container_hex},
                                          {"image", ""},
                                          {"namespace", ""},
                                          {"pod", ""},
                                          {"container", ""}};

inline Series with(Series labels, const std::string& name, const std::string& value) {
  labels[name] = value;
  return labels;
}

/// A container with all figures but the block devices', each with another value.
wire::Container full_container();
/// A node with one sandbox of this container.
NodeReport with_container(const wire::Container& container);

}  // namespace katameter::host
