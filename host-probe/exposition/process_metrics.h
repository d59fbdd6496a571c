#pragma once

#include <prometheus/metric_type.h>

#include <array>

#include "host-probe/exposition/families.h"
#include "host-probe/processes/process_source.h"

// The metrics of a sandbox's processes on the host.
namespace katameter::metric {

inline constexpr Descriptor process_cpu{"katameter_process_cpu_seconds_total",
                                        "CPU time of the sandbox's processes on the host by role, in seconds.",
                                        prometheus::MetricType::Counter};
inline constexpr Descriptor process_run_delay{
    "katameter_process_run_delay_seconds_total",
    "Time that the sandbox's threads on the host waited for a CPU by role, in seconds.",
    prometheus::MetricType::Counter};
inline constexpr Descriptor process_guest_time{
    "katameter_process_guest_mode_seconds_total",
    "CPU time of the sandbox's vCPUs in guest mode as the host counts it, by ticks, in seconds; 0 without KVM.",
    prometheus::MetricType::Counter};
inline constexpr Descriptor process_faults{"katameter_process_page_faults_total",
                                           "Page faults of the sandbox's processes on the host by role and type.",
                                           prometheus::MetricType::Counter};
inline constexpr Descriptor process_io{
    "katameter_process_io_bytes_total",
    "Bytes that the sandbox's processes on the host caused to be fetched from or sent to storage, by role.",
    prometheus::MetricType::Counter};
inline constexpr Descriptor process_memory{
    "katameter_process_memory_bytes",
    "Resident memory of the sandbox's processes on the host by role and kind, in bytes; guest RAM and page cache count "
    "for each process that has them mapped.",
    prometheus::MetricType::Gauge};
inline constexpr Descriptor host_ooms{
    "katameter_host_oom_kills_total",
    "Number of times that the host's OOM killer chose a process of the sandbox, by role; kills inside the guest are "
    "not among them.",
    prometheus::MetricType::Counter};
inline constexpr Descriptor sandbox_memory{
    "katameter_sandbox_memory_bytes",
    "Memory of the sandbox on the host by component, in bytes; guest RAM counts the touched pages, once.",
    prometheus::MetricType::Gauge};

struct MemoryKind {
  const char* kind;
  std::uint64_t RoleMemory::*figure;
};
inline constexpr std::array<MemoryKind, 4> memory_kinds{{{"anonymous", &RoleMemory::anonymous_bytes},
                                                         {"file", &RoleMemory::file_bytes},
                                                         {"shared", &RoleMemory::shared_bytes},
                                                         {"page_tables", &RoleMemory::page_tables_bytes}}};

struct MemoryComponent {
  const char* component;
  std::uint64_t SandboxMemory::*figure;
};
inline constexpr std::array<MemoryComponent, 5> memory_components{{{"guest_ram", &SandboxMemory::guest_ram_bytes},
                                                                   {"vmm", &SandboxMemory::vmm_bytes},
                                                                   {"virtiofsd", &SandboxMemory::virtiofsd_bytes},
                                                                   {"shim", &SandboxMemory::shim_bytes},
                                                                   {"page_tables", &SandboxMemory::page_tables_bytes}}};

}  // namespace katameter::metric
