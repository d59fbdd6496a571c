#pragma once

#include <prometheus/metric_type.h>

#include <array>

#include "host-probe/exposition/families.h"
#include "userspace/wire/messages.h"

// The metrics of a guest as a whole: memory and network.
namespace katameter::metric {

using prometheus::MetricType;

struct GuestMemoryMetric {
  Descriptor descriptor;
  wire::Figure wire::Guest::*figure;
};

inline constexpr std::array<GuestMemoryMetric, 4> of_guest{{
    {{"katameter_guest_memory_total_bytes", "Memory that the guest's kernel has, in bytes.", MetricType::Gauge},
     &wire::Guest::memory_total_bytes},
    {{"katameter_guest_memory_available_bytes",
      "Memory that the guest could give to new processes without swapping, as its kernel estimates it, in bytes.",
      MetricType::Gauge},
     &wire::Guest::memory_available_bytes},
    {{"katameter_guest_swap_total_bytes", "Swap space of the guest, in bytes.", MetricType::Gauge},
     &wire::Guest::swap_total_bytes},
    {{"katameter_guest_swap_free_bytes", "Unused swap space of the guest, in bytes.", MetricType::Gauge},
     &wire::Guest::swap_free_bytes},
}};

/// The containers beyond guest-probe's --max-containers, as one.
inline constexpr Descriptor unattributed_containers{
    "katameter_guest_unattributed_containers",
    "Containers of the sandbox that have no series of their own, for guest-probe's --max-containers.",
    MetricType::Gauge};
inline constexpr Descriptor unattributed_cpu{"katameter_guest_unattributed_cpu_usage_seconds_total",
                                             "CPU time of the containers that have no series of their own, in seconds.",
                                             MetricType::Counter};
inline constexpr Descriptor unattributed_memory{"katameter_guest_unattributed_memory_usage_bytes",
                                                "Memory of the containers that have no series of their own, in bytes.",
                                                MetricType::Gauge};

/// What a guest could not tell; from 0 on, so that the first one is an increase.
struct GuestLossMetric {
  Descriptor descriptor;
  std::uint64_t wire::Guest::*figure;
};

inline constexpr std::array<GuestLossMetric, 6> guest_losses{{
    {{"katameter_guest_cgroups_unreported",
      "Cgroups of the guest that its probe had no room for; what they used is in no series of their own.",
      MetricType::Gauge},
     &wire::Guest::containers_unreported},
    {{"katameter_guest_interfaces_unreported",
      "Network interfaces of the guest without series: too many, or with a name out of the common.", MetricType::Gauge},
     &wire::Guest::interfaces_unreported},
    {{"katameter_guest_block_devices_unreported",
      "Block devices of the guest's containers without series: too many of one container, or of all.",
      MetricType::Gauge},
     &wire::Guest::block_devices_unreported},
    {{"katameter_guest_removed_containers_lost_total",
      "Removed cgroups of the guest whose last values were overwritten before they could be sent.",
      MetricType::Counter},
     &wire::Guest::containers_lost},
    {{"katameter_guest_oom_events_lost_total",
      "OOM kills in the guest whose events were overwritten before they could be sent.", MetricType::Counter},
     &wire::Guest::oom_events_lost},
    {{"katameter_guest_reclaim_stalls_lost_total",
      "Direct-reclaim stalls in the guest that found no room to be counted.", MetricType::Counter},
     &wire::Guest::stalls_lost},
}};

/// As losses; one series for each kind of hook.
struct ProgramMisses {
  const char* program;
  wire::Figure wire::Guest::*figure;
};

inline constexpr Descriptor program_misses{"katameter_guest_program_misses_total",
                                           "Times that the guest's kernel did not run an attached program of "
                                           "guest-probe, because it was running on that CPU already; what "
                                           "it would have noted may be missing.",
                                           MetricType::Counter};
inline constexpr std::array<ProgramMisses, 6> program_misses_by_hook{{
    {"cgroup_rmdir", &wire::Guest::program_misses_cgroup_rmdir},
    {"cgroup_mkdir", &wire::Guest::program_misses_cgroup_mkdir},
    {"mark_victim", &wire::Guest::program_misses_mark_victim},
    {"reclaim", &wire::Guest::program_misses_reclaim},
    {"cpuhp_enter", &wire::Guest::program_misses_cpuhp_enter},
    {"sched_process_free", &wire::Guest::program_misses_sched_process_free},
}};

/// Parts of the total, none of which is in another.
struct GuestMemoryPart {
  const char* component;
  wire::Figure wire::Guest::*figure;
};

inline constexpr Descriptor guest_memory{
    "katameter_guest_memory_bytes", "Memory inside the guest by what it is used for, in bytes.", MetricType::Gauge};
inline constexpr std::array<GuestMemoryPart, 6> guest_memory_parts{{
    {"free", &wire::Guest::memory_free_bytes},
    {"page_cache", &wire::Guest::memory_cache_bytes},
    {"anonymous", &wire::Guest::memory_anonymous_bytes},
    {"slab", &wire::Guest::memory_slab_bytes},
    {"kernel_stack", &wire::Guest::memory_kernel_stack_bytes},
    {"page_tables", &wire::Guest::memory_page_tables_bytes},
}};

/// cAdvisor's, once per pod.
struct InterfaceMetric {
  Descriptor descriptor;
  std::uint64_t wire::Interface::*figure;
};

inline constexpr std::array<InterfaceMetric, 8> of_interface{{
    {{"container_network_receive_bytes_total", "Cumulative count of bytes received.", MetricType::Counter},
     &wire::Interface::receive_bytes},
    {{"container_network_receive_packets_total", "Cumulative count of packets received.", MetricType::Counter},
     &wire::Interface::receive_packets},
    {{"container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving.",
      MetricType::Counter},
     &wire::Interface::receive_dropped},
    {{"container_network_receive_errors_total", "Cumulative count of errors encountered while receiving.",
      MetricType::Counter},
     &wire::Interface::receive_errors},
    {{"container_network_transmit_bytes_total", "Cumulative count of bytes transmitted.", MetricType::Counter},
     &wire::Interface::transmit_bytes},
    {{"container_network_transmit_packets_total", "Cumulative count of packets transmitted.", MetricType::Counter},
     &wire::Interface::transmit_packets},
    {{"container_network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting.",
      MetricType::Counter},
     &wire::Interface::transmit_dropped},
    {{"container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting.",
      MetricType::Counter},
     &wire::Interface::transmit_errors},
}};

}  // namespace katameter::metric
