#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <cstddef>
#include <map>
#include <string_view>
#include <vector>

namespace katameter {

/// What is said once of a metric. Descriptors live for the whole run of the program (metric_table.h).
struct Descriptor {
  std::string_view name;
  std::string_view help;
  prometheus::MetricType type;
};

using Labels = std::vector<prometheus::ClientMetric::Label>;

/// Gathers series into families, in the order in which each metric was first added.
class Families {
 public:
  /// One series. Its labels must differ from those of the metric's other series.
  void add(const Descriptor& descriptor, Labels labels, double value);

  /// All families that have a series.
  std::vector<prometheus::MetricFamily> take() && { return std::move(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string_view, std::size_t> positions_;  // by name
};

}  // namespace katameter
