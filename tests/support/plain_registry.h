#pragma once

#include <prometheus/registry.h>

#include <cstddef>
#include <string>

#include "userspace/result.h"

namespace katameter::host::testing {

/// prometheus-cpp's Registry with each series of a text in it, as of an exporter that keeps them and at a scrape has
/// only to write them; all as gauges, which are written the same.
class PlainRegistry {
 public:
  /// `text`: in Prometheus' text format. An error where it is none.
  Status fill(const std::string& text);

  /// What a scraper would get of it.
  std::string written() const;
  std::size_t series() const { return series_; }

 private:
  prometheus::Registry registry_;
  std::size_t series_ = 0;
};

}  // namespace katameter::host::testing
