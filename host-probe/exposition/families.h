#pragma once

#include <prometheus/metric_type.h>

#include <cstddef>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace katameter {

/// What is said once of a metric. Descriptors live for the whole run of the program (metric_table.h).
struct Descriptor {
  std::string_view name;
  std::string_view help;
  prometheus::MetricType type;
};

struct Label {
  std::string_view name;
  std::string_view value;
};

/// The labels of a series as the text format has them, escaped: made once for a container and copied for each of its
/// series, which costs a tenth of writing them anew.
class Labels {
 public:
  Labels() = default;
  Labels(std::initializer_list<Label> labels) {
    for (const Label& label : labels) push_back(label);
  }
  /// The value may be anything, its name must be one that Prometheus allows.
  void push_back(const Label& label);

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// The answer to one scrape in Prometheus' text format 0.0.4: pieces to be sent one after the other.
using Exposition = std::vector<std::string>;

/// Gathers series into families, in the order in which each metric was first added. They are written down as they
/// come: to keep them as prometheus::MetricFamily for prometheus-cpp's serializer costs several times as much
/// (tests/scale/series_rate.cc).
class Families {
 public:
  /// One series. Its labels must differ from those of the metric's other series.
  void add(const Descriptor& descriptor, const Labels& labels, double value);

  /// All families that have a series.
  Exposition take() &&;

 private:
  // A new piece rather than a longer one: of a large node a family has megabytes, and to grow would be to copy them.
  static constexpr std::size_t piece_bytes = std::size_t{64} * 1024;

  std::size_t position_of(const Descriptor& descriptor);
  static std::string& with_room(Exposition& family, std::size_t bytes);

  std::vector<Exposition> families_;
  std::unordered_map<const Descriptor*, std::size_t> positions_;
  std::map<std::string_view, std::size_t> by_name_;  // two descriptors may be of one metric
};

}  // namespace katameter
