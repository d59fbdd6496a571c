#include "host-probe/own_metrics/own_metrics.h"

#include <prometheus/text_serializer.h>

namespace katameter::host {
namespace {

// By RuntimeOperation.
constexpr std::array<const char*, runtime_operation_types> operations{
    "list_podsandbox",      "status",    "list_containers",     "list_images",
    "list_container_stats", "list_pods", "list_runtime_classes"};
// By success.
constexpr std::array<const char*, 2> results{"failure", "success"};

void raise_to(prometheus::Counter& counter, std::uint64_t total) {
  const double gained = static_cast<double>(total) - counter.Value();
  if (gained > 0) counter.Increment(gained);
}

}  // namespace

OwnMetrics& OwnMetrics::of_process() {
  static OwnMetrics metrics;
  return metrics;
}

OwnMetrics::OwnMetrics()
    : http_requests_(counters(own::http_requests)),
      http_connections_(gauges(own::http_connections).Add({})),
      processes_lost_(counters(own::processes_lost).Add({})),
      processes_refused_(counters(own::processes_refused).Add({})),
      process_events_lost_(counters(own::process_events_lost).Add({})),
      inotify_overflows_(counters(own::inotify_overflows).Add({})),
      host_limitation_(gauges(own::host_limitation)),
      last_reload_(gauges(own::last_reload).Add({})),
      last_reload_time_(gauges(own::last_reload_time).Add({})) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    runtime_operations_[i] = &counters(own::runtime_operations).Add({{"operation_type", operations[i]}});
    runtime_errors_[i] = &counters(own::runtime_errors).Add({{"operation_type", operations[i]}});
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    guest_connects_[i] = &counters(own::guest_connects).Add({{"result", results[i]}});
    reloads_[i] = &counters(own::reloads).Add({{"result", results[i]}});
  }
  for (std::size_t i = 0; i < guest_entries; ++i) {
    guest_entries_left_out_[i] =
        &counters(own::guest_entries_left_out).Add({{"kind", name(static_cast<GuestEntry>(i))}});
  }
  last_reload_.Set(1);
  last_reload_time_.SetToCurrentTime();
}

prometheus::Family<prometheus::Counter>& OwnMetrics::counters(const OwnMetric& metric) {
  return prometheus::BuildCounter().Name(std::string(metric.name)).Help(std::string(metric.help)).Register(registry_);
}

prometheus::Family<prometheus::Gauge>& OwnMetrics::gauges(const OwnMetric& metric) {
  return prometheus::BuildGauge().Name(std::string(metric.name)).Help(std::string(metric.help)).Register(registry_);
}

void OwnMetrics::count_http_request(const std::string& handler, int code) {
  http_requests_.Add({{"handler", handler}, {"code", std::to_string(code)}}).Increment();
}

void OwnMetrics::count_runtime_operation(RuntimeOperation operation, bool success) {
  const auto index = static_cast<std::size_t>(operation);
  runtime_operations_.at(index)->Increment();
  if (!success) runtime_errors_.at(index)->Increment();
}

void OwnMetrics::count_guest_connect(bool success) {
  guest_connects_[success ? 1 : 0]->Increment();
}

void OwnMetrics::set_process_losses(std::uint64_t processes, std::uint64_t events) {
  raise_to(processes_lost_, processes);
  raise_to(process_events_lost_, events);
}

void OwnMetrics::set_host_limitation(const std::string& reason, bool limited) {
  host_limitation_.Add({{"reason", reason}}).Set(limited ? 1 : 0);
}

void OwnMetrics::count_reload(bool success) {
  reloads_[success ? 1 : 0]->Increment();
  last_reload_.Set(success ? 1 : 0);
  if (success) last_reload_time_.SetToCurrentTime();
}

void OwnMetrics::count_guest_entries_left_out(GuestEntry kind, std::uint64_t count) {
  guest_entries_left_out_.at(static_cast<std::size_t>(kind))->Increment(static_cast<double>(count));
}

std::string OwnMetrics::text() const {
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace katameter::host
