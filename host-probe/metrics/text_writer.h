#pragma once

#include <prometheus/metric_type.h>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace katameter::host {

/// As the text format has it.
constexpr std::string_view type_name(prometheus::MetricType type) {
  if (type == prometheus::MetricType::Histogram) return "histogram";
  return type == prometheus::MetricType::Counter ? "counter" : "gauge";
}

/// What is the same for all series of a metric. Descriptors live for the whole run of the program (table.h).
struct Descriptor {
  std::string_view name;
  std::string_view help;  ///< one line without a backslash
  prometheus::MetricType type;
  // For docs/metrics.md only.
  std::string_view unit = {};
  std::string_view labels = {};  ///< beyond those of its group, as in `role, kind`
  std::string_view source = {};  ///< the kernel's own counter; v1, v2: versions of cgroups
};

struct Label {
  std::string_view name;
  std::string_view value;
};

/// The labels of a series as the text format has them, escaped: made once for a container and copied for each of its
/// series, which costs a tenth of escaping them each time.
class Labels {
 public:
  Labels() = default;
  Labels(std::initializer_list<Label> labels);
  /// The value may be anything, its name must be one that Prometheus allows.
  void push_back(const Label& label);

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Writes the answer to one scrape in Prometheus' text format 0.0.4, one metric after the other, and sends it part by
/// part: the text of a large node has megabytes, of which only a buffer is held. To hold the series as
/// prometheus::MetricFamily for prometheus-cpp's serializer costs many times as much (tests/scale/series_rate.cc).
class TextWriter {
 public:
  /// Gets the next part of the text.
  using Send = std::function<void(std::string_view)>;
  explicit TextWriter(Send send);

  /// One series. All of a metric are added one after the other; no two of them have the same labels.
  void add(const Descriptor& metric, const Labels& labels, double value) { add(metric, labels, {}, value); }
  /// The same with its labels in two parts, each of which is made for more than this series. `suffix`: what follows the
  /// metric's name, as the series of a histogram have it.
  void add(const Descriptor& metric, const Labels& labels, const Labels& further, double value,
           std::string_view suffix = {});

  /// Sends what is left. Nothing is added after it.
  void finish();

 private:
  void begin(const Descriptor& metric);
  void make_room(std::size_t bytes);

  Send send_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  const Descriptor* metric_ = nullptr;  // whose series are being written
};

}  // namespace katameter::host
