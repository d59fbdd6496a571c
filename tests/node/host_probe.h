#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/exposition_text.h"
#include "tests/support/program.h"
#include "userspace/wire/container_id.h"

namespace katameter::host::testing {

/// One answer to /metrics.
class Scrape {
 public:
  explicit Scrape(const std::string& address);

  using Labels = std::map<std::string, std::string, std::less<>>;
  /// The sum of the series of this name that have these labels; fails the test if there is none.
  double sum(const std::string& name, const Labels& labels = {}) const;
  bool has(const std::string& name, const Labels& labels = {}) const;

 private:
  std::vector<TextSeries> series_;
};

/// Scrapes until the sum of these series is `value` (NAN: until there is none), for four minutes at most.
bool becomes(const std::string& address, const std::string& name, const Scrape::Labels& labels, double value);

/// The lines of host-probe's log, logfmt or JSON, that say that something is wrong, but for answers that come late: the machine may be slow.
std::string alarms_in(const std::string& log);

/// host-probe with its default options, but at a port of its own.
class HostProbe {
 public:
  explicit HostProbe(const std::vector<std::string>& more = {});

  Scrape scrape() const { return Scrape(address_); }
  bool becomes(const std::string& name, const Scrape::Labels& labels, double value);
  Program& program() { return program_; }

 private:
  Program program_;
  std::string address_;
};

}  // namespace katameter::host::testing
