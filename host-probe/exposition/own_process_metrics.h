#pragma once

#include <prometheus/metric_type.h>

#include "host-probe/exposition/families.h"

// host-probe's own process, under the names that all of Prometheus' client libraries give.
namespace katameter::metric {

inline constexpr Descriptor own_cpu{"process_cpu_seconds_total", "CPU time of host-probe, user and system, in seconds.",
                                    prometheus::MetricType::Counter};
inline constexpr Descriptor own_resident{"process_resident_memory_bytes", "Resident memory of host-probe, in bytes.",
                                         prometheus::MetricType::Gauge};
inline constexpr Descriptor own_virtual{"process_virtual_memory_bytes", "Address space of host-probe, in bytes.",
                                        prometheus::MetricType::Gauge};
inline constexpr Descriptor own_open_fds{"process_open_fds", "Descriptors that host-probe has open.",
                                         prometheus::MetricType::Gauge};
inline constexpr Descriptor own_max_fds{"process_max_fds", "Descriptors that host-probe may have open.",
                                        prometheus::MetricType::Gauge};

}  // namespace katameter::metric
