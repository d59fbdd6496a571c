#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/metric_type.h>
#include <prometheus/registry.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace katameter::host {

/// A metric of host-probe's own work: what is served of it, and for docs/metrics.md.
struct OwnMetric {
  std::string_view name;
  std::string_view help;
  prometheus::MetricType type;
  std::string_view unit;
  std::string_view labels;
  std::string_view source;
};

namespace own {

using prometheus::MetricType;

inline constexpr OwnMetric http_requests{"katameter_http_requests_total",
                                         "HTTP requests answered, by handler and status code.",
                                         MetricType::Counter,
                                         "requests",
                                         "handler, code",
                                         "host-probe"};
inline constexpr OwnMetric http_connections{"katameter_http_connections",
                                            "HTTP connections that are open.",
                                            MetricType::Gauge,
                                            "connections",
                                            "",
                                            "host-probe"};
inline constexpr OwnMetric runtime_operations{"katameter_runtime_operations_total",
                                              "Calls to where names and statistics of pods come from, by type: CRI's "
                                              "to the container runtime, list_pods and list_runtime_classes to the API "
                                              "server or kubelet.",
                                              MetricType::Counter,
                                              "calls",
                                              "operation_type",
                                              "host-probe"};
inline constexpr OwnMetric runtime_errors{"katameter_runtime_operations_errors_total",
                                          "Calls of katameter_runtime_operations_total that failed, by type.",
                                          MetricType::Counter,
                                          "calls",
                                          "operation_type",
                                          "host-probe"};
inline constexpr OwnMetric guest_connects{"katameter_guest_connects_total",
                                          "Attempts to connect to a guest-probe, by result.",
                                          MetricType::Counter,
                                          "attempts",
                                          "result",
                                          "host-probe"};
inline constexpr OwnMetric processes_lost{
    "katameter_processes_lost_total",
    "Processes of sandboxes that are not tracked because the process table is full.",
    MetricType::Counter,
    "processes",
    "",
    "BPF map of the host programs"};
inline constexpr OwnMetric processes_refused{
    "katameter_processes_refused_total",
    "Processes that called themselves a sandbox's VMM or virtiofsd beside the one that is, and are not followed.",
    MetricType::Counter,
    "processes",
    "",
    "host-probe"};
inline constexpr OwnMetric process_events_lost{
    "katameter_process_events_lost_total",
    "Events of new processes lost because their ring buffer was full; processes that still run are looked up.",
    MetricType::Counter,
    "events",
    "",
    "BPF map of the host programs"};
inline constexpr OwnMetric inotify_overflows{
    "katameter_inotify_overflows_total",
    "Times that an inotify queue overflowed and its directory was listed again.",
    MetricType::Counter,
    "times",
    "",
    "IN_Q_OVERFLOW"};
inline constexpr OwnMetric host_limitation{
    "katameter_host_limitation",
    "1 for each reason for which sandboxes or values of the host's processes are missing or not whole.",
    MetricType::Gauge,
    "0 or 1",
    "reason",
    "host-probe"};
inline constexpr OwnMetric reloads{"katameter_config_reloads_total",
                                   "Reloads of the configuration, by result.",
                                   MetricType::Counter,
                                   "reloads",
                                   "result",
                                   "host-probe"};
inline constexpr OwnMetric last_reload{"katameter_config_last_reload_successful",
                                       "1 if the last reload of the configuration was successful, else 0.",
                                       MetricType::Gauge,
                                       "0 or 1",
                                       "",
                                       "host-probe"};
inline constexpr OwnMetric last_reload_time{"katameter_config_last_reload_success_timestamp_seconds",
                                            "Time of the last successful load of the configuration.",
                                            MetricType::Gauge,
                                            "seconds since 1970",
                                            "",
                                            "host-probe"};

inline constexpr OwnMetric guest_entries_left_out{
    "katameter_guest_entries_left_out_total",
    "Entries of guests' snapshots without series of their own because a guest had too many, by kind. container: a new "
    "id, whose values are in katameter_guest_unattributed_*; ended_container: last values that were not kept for five "
    "minutes; interface, block_device, volume: in each snapshot.",
    MetricType::Counter,
    "entries",
    "kind",
    "host-probe"};

/// All of them.
inline constexpr std::array all{
    http_requests,  http_connections,  runtime_operations,  runtime_errors,        guest_connects,
    processes_lost, processes_refused, process_events_lost, inotify_overflows,     host_limitation,
    reloads,        last_reload,       last_reload_time,    guest_entries_left_out};

}  // namespace own

/// The CRI calls that are made, by kubelet's names for them, and what is asked of the API server.
enum class RuntimeOperation {
  list_podsandbox,
  status,
  list_containers,
  list_images,
  list_container_stats,
  list_pods,
  list_runtime_classes
};
inline constexpr std::size_t runtime_operation_types = 7;

/// What of a guest may have no series: see guest_entries_left_out.
enum class GuestEntry { container, ended_container, interface, block_device, volume };
inline constexpr std::size_t guest_entries = 5;
/// The value of the `kind` label.
constexpr const char* name(GuestEntry kind) {
  constexpr std::array<const char*, guest_entries> names{"container", "ended_container", "interface", "block_device",
                                                         "volume"};
  return names[static_cast<std::size_t>(kind)];
}

/// What host-probe counts of its own work, in a Registry of prometheus-cpp: a few series that exist once in a process,
/// each from 0 on. For any thread.
class OwnMetrics {
 public:
  static OwnMetrics& of_process();
  OwnMetrics(const OwnMetrics&) = delete;
  OwnMetrics& operator=(const OwnMetrics&) = delete;
  ~OwnMetrics() = default;

  /// `handler`: the path that is served, or "other".
  void count_http_request(const std::string& handler, int code);
  void set_http_connections(std::size_t count) { http_connections_.Set(static_cast<double>(count)); }
  void count_runtime_operation(RuntimeOperation operation, bool success);
  void count_guest_connect(bool success);
  /// Totals of the BPF programs since they were loaded; they never fall.
  void set_process_losses(std::uint64_t processes, std::uint64_t events);
  void count_process_refused() { processes_refused_.Increment(); }
  void count_inotify_overflow() { inotify_overflows_.Increment(); }
  /// `reason`: Limitation::reason, or `inotify` or `removed_directory` (discovery).
  void set_host_limitation(const std::string& reason, bool limited = true);
  void count_reload(bool success);
  void count_guest_entries_left_out(GuestEntry kind, std::uint64_t count);

  /// All of it in Prometheus' text format.
  std::string text() const;

 private:
  using Counter = prometheus::Counter;
  template <typename Metric>
  using Family = prometheus::Family<Metric>;
  OwnMetrics();
  Family<Counter>& counters(const OwnMetric& metric);
  Family<prometheus::Gauge>& gauges(const OwnMetric& metric);

  prometheus::Registry registry_;
  Family<Counter>& http_requests_;
  prometheus::Gauge& http_connections_;
  std::array<Counter*, runtime_operation_types> runtime_operations_{};
  std::array<Counter*, runtime_operation_types> runtime_errors_{};
  std::array<Counter*, 2> guest_connects_{};
  Counter& processes_lost_;
  Counter& processes_refused_;
  Counter& process_events_lost_;
  Counter& inotify_overflows_;
  Family<prometheus::Gauge>& host_limitation_;
  std::array<Counter*, 2> reloads_{};
  prometheus::Gauge& last_reload_;
  prometheus::Gauge& last_reload_time_;
  std::array<Counter*, guest_entries> guest_entries_left_out_{};
};

}  // namespace katameter::host
