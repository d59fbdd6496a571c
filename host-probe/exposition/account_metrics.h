#pragma once

#include <prometheus/metric_type.h>

#include "host-probe/exposition/families.h"

// The books of a sandbox.
namespace katameter::metric {

inline constexpr Descriptor account_cpu{
    "katameter_sandbox_cpu_seconds_total",
    "CPU time that the host gave the sandbox by component, in seconds; all components together are "
    "katameter_sandbox_host_cpu_seconds_total. Counted from the sandbox's start, or host-probe's if that was later.",
    prometheus::MetricType::Counter};
inline constexpr Descriptor account_cpu_total{"katameter_sandbox_host_cpu_seconds_total",
                                              "CPU time that the host gave the sandbox, in seconds.",
                                              prometheus::MetricType::Counter};
inline constexpr Descriptor account_cpu_overhead{
    "katameter_sandbox_overhead_cpu_seconds_total",
    "CPU time of the host that the sandbox cost beyond its workload, in seconds; component guest_silent is in neither.",
    prometheus::MetricType::Counter};
inline constexpr Descriptor account_steal{
    "katameter_sandbox_steal_seconds_total",
    "Time that the guest counted as its own CPU time while its vCPUs waited for a CPU of the host, in seconds.",
    prometheus::MetricType::Counter};
inline constexpr Descriptor container_host_cpu{
    "katameter_container_host_cpu_seconds_total",
    "CPU time of the host that the container used: its share of the vCPUs' time, without what the guest's own figures "
    "have of waiting for the host, in seconds.",
    prometheus::MetricType::Counter};

inline constexpr Descriptor account_memory_total{
    "katameter_sandbox_host_memory_bytes",
    "Memory of the host that the sandbox holds, in bytes: the sum of katameter_sandbox_memory_bytes.",
    prometheus::MetricType::Gauge};
inline constexpr Descriptor account_guest_ram{
    "katameter_sandbox_guest_ram_bytes",
    "Guest RAM that the host holds by what the guest uses it for, in bytes; free was used once, residual is what the "
    "guest's kernel does not count.",
    prometheus::MetricType::Gauge};
inline constexpr Descriptor account_memory_overhead{
    "katameter_sandbox_overhead_memory_bytes",
    "Memory of the host that the sandbox holds beyond what its workload uses, in bytes.",
    prometheus::MetricType::Gauge};
inline constexpr Descriptor account_reclaimable{
    "katameter_sandbox_reclaimable_memory_bytes",
    "Guest RAM that a balloon could give back to the host: free and page cache, in bytes.",
    prometheus::MetricType::Gauge};

}  // namespace katameter::metric
