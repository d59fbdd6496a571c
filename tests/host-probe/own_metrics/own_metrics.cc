#include "host-probe/own_metrics/own_metrics.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/exposition_text.h"

using namespace katameter;
using namespace katameter::host;

namespace {

// The value of a series; -1 if there is none.
double value(const std::string& name, const std::string& label_value = "") {
  const auto series = parse_exposition(OwnMetrics::of_process().text());
  REQUIRE(series);
  for (const TextSeries& one : *series) {
    bool found = label_value.empty();
    for (const auto& [label, text] : one.labels) found = found || text == label_value;
    if (one.name == name && found) return one.value;
  }
  return -1;
}

}  // namespace

TEST_CASE("host-probe's own counters are there from 0 on and count what happens") {
  OwnMetrics& own = OwnMetrics::of_process();
  own.count_http_request("/metrics", 200);
  own.set_host_limitation("hidepid");  // none on an ordinary node
  for (const OwnMetric& metric : own::all) {
    INFO(metric.name);
    CHECK(value(std::string(metric.name)) >= 0);
  }
  const double calls = value("katameter_runtime_operations_total", "list_images");
  own.count_runtime_operation(RuntimeOperation::list_images, true);
  own.count_runtime_operation(RuntimeOperation::list_images, false);
  CHECK(value("katameter_runtime_operations_total", "list_images") == calls + 2);
  CHECK(value("katameter_runtime_operations_errors_total", "list_images") == 1);
  CHECK(value("katameter_runtime_operations_errors_total", "list_podsandbox") == 0);
  const double failures = value("katameter_guest_connects_total", "failure");
  own.count_guest_connect(false);
  CHECK(value("katameter_guest_connects_total", "failure") == failures + 1);
  own.count_reload(false);
  CHECK(value("katameter_config_last_reload_successful") == 0);
  own.count_reload(true);
  CHECK(value("katameter_config_last_reload_successful") == 1);
}

TEST_CASE("totals of the kernel's programs never fall") {
  OwnMetrics& own = OwnMetrics::of_process();
  own.set_process_losses(3, 5);
  own.set_process_losses(2, 6);
  CHECK(value("katameter_processes_lost_total") == 3);
  CHECK(value("katameter_process_events_lost_total") == 6);
}
