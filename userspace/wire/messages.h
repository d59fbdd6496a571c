#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "userspace/figures/figure.h"
#include "userspace/wire/container_id.h"

// The messages of katameter.proto as C++ values. The schema documents each field, its unit and its source.
namespace katameter::wire {

constexpr std::uint32_t protocol_version = 1;
constexpr std::uint32_t default_port = 1717;

struct Hello {
  std::uint32_t protocol = protocol_version;
  std::string version;
  std::string boot_id;
  std::string kernel;
  std::string instance;
  std::vector<std::string> lacks;
};

struct Collect {
  std::uint64_t request = 0;
};

struct Acknowledge {
  std::uint64_t event_sequence = 0;
  std::uint64_t snapshot_sequence = 0;
};

using Figure = std::optional<std::uint64_t>;

/// Block devices that are reported of one container.
inline constexpr std::size_t max_block_devices = 8;

struct BlockDevice {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
};

/// One counter of a block device; as ContainerFigure.
struct BlockDeviceFigure {
  std::string_view name;
  std::uint32_t field;
  std::uint64_t BlockDevice::*value;
};

inline constexpr auto block_device_figures = std::to_array<BlockDeviceFigure>({
    {"read_bytes", 3, &BlockDevice::read_bytes},
    {"write_bytes", 4, &BlockDevice::write_bytes},
    {"reads", 5, &BlockDevice::reads},
    {"writes", 6, &BlockDevice::writes},
});

struct Container {
  ContainerId id;
  std::string cgroup;
  bool removed = false;
  std::vector<BlockDevice> block_devices;
#define FIGURE(name, ...) Figure name;
#include "userspace/figures/container.def"
};

/// One figure of a container: a row of container.def.
struct ContainerFigure {
  std::string_view name;  ///< also its key in `guest-probe dump --format json`
  std::uint32_t field;    ///< its number in katameter.proto
  Figure Container::*value;
  FigureKind kind;
  FigureUnit unit;
  FigureGroup group;
};

/// By figure::Index.
inline constexpr auto container_figures = std::to_array<ContainerFigure>({
#define FIGURE(name, number, kind, unit, group, ...) \
  {#name, number, &Container::name, FigureKind::kind, FigureUnit::unit, FigureGroup::group},
#include "userspace/figures/container.def"
});

struct Guest {
  Figure cpu_usage_ns;
  Figure workload_cpu_usage_ns;
  Figure kernel_cpu_usage_ns;
  Figure agent_cpu_usage_ns;
  Figure probe_cpu_usage_ns;
  Figure memory_total_bytes;
  Figure memory_free_bytes;
  Figure memory_available_bytes;
  Figure memory_cache_bytes;
  Figure memory_anonymous_bytes;
  Figure memory_slab_bytes;
  Figure memory_kernel_stack_bytes;
  Figure memory_page_tables_bytes;
  Figure swap_total_bytes;
  Figure swap_free_bytes;
  Figure unattributed_containers;
  Figure unattributed_cpu_usage_ns;
  Figure unattributed_memory_usage_bytes;
  Figure program_misses_cgroup_rmdir;
  Figure program_misses_cgroup_mkdir;
  Figure program_misses_mark_victim;
  Figure program_misses_reclaim;
  Figure program_misses_cpuhp_enter;
  Figure program_misses_sched_process_free;
  std::uint64_t containers_unreported = 0;
  std::uint64_t oom_events_lost = 0;
  std::uint64_t containers_lost = 0;
  std::uint64_t stalls_lost = 0;
  std::uint64_t interfaces_unreported = 0;
  std::uint64_t block_devices_unreported = 0;
};

/// One figure of the whole guest; as ContainerFigure.
struct GuestFigure {
  std::string_view name;
  std::uint32_t field;
  Figure Guest::*value;
};

/// Every optional figure of a guest, each once.
inline constexpr auto guest_figures = std::to_array<GuestFigure>({
    {"cpu_usage_ns", 1, &Guest::cpu_usage_ns},
    {"workload_cpu_usage_ns", 2, &Guest::workload_cpu_usage_ns},
    {"kernel_cpu_usage_ns", 16, &Guest::kernel_cpu_usage_ns},
    {"agent_cpu_usage_ns", 17, &Guest::agent_cpu_usage_ns},
    {"probe_cpu_usage_ns", 18, &Guest::probe_cpu_usage_ns},
    {"memory_total_bytes", 32, &Guest::memory_total_bytes},
    {"memory_free_bytes", 33, &Guest::memory_free_bytes},
    {"memory_available_bytes", 34, &Guest::memory_available_bytes},
    {"memory_cache_bytes", 35, &Guest::memory_cache_bytes},
    {"memory_anonymous_bytes", 36, &Guest::memory_anonymous_bytes},
    {"memory_slab_bytes", 37, &Guest::memory_slab_bytes},
    {"memory_kernel_stack_bytes", 38, &Guest::memory_kernel_stack_bytes},
    {"memory_page_tables_bytes", 39, &Guest::memory_page_tables_bytes},
    {"swap_total_bytes", 40, &Guest::swap_total_bytes},
    {"swap_free_bytes", 41, &Guest::swap_free_bytes},
    {"unattributed_containers", 49, &Guest::unattributed_containers},
    {"unattributed_cpu_usage_ns", 50, &Guest::unattributed_cpu_usage_ns},
    {"unattributed_memory_usage_bytes", 51, &Guest::unattributed_memory_usage_bytes},
    {"program_misses_cgroup_rmdir", 80, &Guest::program_misses_cgroup_rmdir},
    {"program_misses_cgroup_mkdir", 81, &Guest::program_misses_cgroup_mkdir},
    {"program_misses_mark_victim", 82, &Guest::program_misses_mark_victim},
    {"program_misses_reclaim", 83, &Guest::program_misses_reclaim},
    {"program_misses_cpuhp_enter", 84, &Guest::program_misses_cpuhp_enter},
    {"program_misses_sched_process_free", 85, &Guest::program_misses_sched_process_free},
});

/// How much a guest could not report; as ContainerFigure.
struct GuestLoss {
  std::string_view name;
  std::uint32_t field;
  std::uint64_t Guest::*value;
};

inline constexpr auto guest_losses = std::to_array<GuestLoss>({
    {"containers_unreported", 3, &Guest::containers_unreported},
    {"oom_events_lost", 4, &Guest::oom_events_lost},
    {"containers_lost", 5, &Guest::containers_lost},
    {"stalls_lost", 6, &Guest::stalls_lost},
    {"interfaces_unreported", 48, &Guest::interfaces_unreported},
    {"block_devices_unreported", 52, &Guest::block_devices_unreported},
});

/// Network interfaces that are reported of a guest.
inline constexpr std::size_t max_interfaces = 32;

/// Whether a name can be one of a network interface: 1 to 15 bytes as in the kernel (IFNAMSIZ, dev_valid_name), of
/// printable ASCII without blanks, '/', ':', and without the quotation mark and backslash, which the kernel would take.
inline bool is_interface_name(std::string_view name) {
  constexpr std::size_t longest = 15;
  if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c <= '~' && c != '/' && c != ':' && c != '"' && c != '\\'; });
}

struct Interface {
  std::string name;
  std::uint64_t receive_bytes = 0;
  std::uint64_t receive_packets = 0;
  std::uint64_t receive_dropped = 0;
  std::uint64_t receive_errors = 0;
  std::uint64_t transmit_bytes = 0;
  std::uint64_t transmit_packets = 0;
  std::uint64_t transmit_dropped = 0;
  std::uint64_t transmit_errors = 0;
};

/// One counter of an interface; as ContainerFigure.
struct InterfaceFigure {
  std::string_view name;
  std::uint32_t field;
  std::uint64_t Interface::*value;
};

inline constexpr auto interface_figures = std::to_array<InterfaceFigure>({
    {"receive_bytes", 2, &Interface::receive_bytes},
    {"receive_packets", 3, &Interface::receive_packets},
    {"receive_dropped", 4, &Interface::receive_dropped},
    {"receive_errors", 5, &Interface::receive_errors},
    {"transmit_bytes", 6, &Interface::transmit_bytes},
    {"transmit_packets", 7, &Interface::transmit_packets},
    {"transmit_dropped", 8, &Interface::transmit_dropped},
    {"transmit_errors", 9, &Interface::transmit_errors},
});

struct Snapshot {
  std::uint64_t request = 0;
  std::uint64_t sequence = 0;
  std::uint64_t boottime_ns = 0;
  std::vector<Container> containers;
  Guest guest;
  std::vector<Interface> interfaces;
};

enum class OomClass : std::uint32_t { unknown, container_limit, pod_limit, guest, other_limit };
inline constexpr std::size_t oom_classes = 5;

/// As in series and logs.
constexpr std::string_view name(OomClass oom_class) {
  constexpr std::array<std::string_view, oom_classes> names{"unknown", "container_limit", "pod_limit", "guest",
                                                            "other_limit"};
  return names[static_cast<std::size_t>(oom_class)];
}

struct OomEvent {
  std::uint64_t sequence = 0;
  std::uint64_t boottime_ns = 0;
  std::optional<ContainerId> container;
  std::string cgroup;
  std::uint32_t victim_pid = 0;
  std::string victim_comm;
  std::uint64_t victim_anon_bytes = 0;
  std::uint64_t victim_file_bytes = 0;
  std::uint64_t victim_shmem_bytes = 0;
  std::uint64_t memory_usage_bytes = 0;
  std::uint64_t memory_limit_bytes = 0;
  OomClass oom_class = OomClass::unknown;
  std::string limit_cgroup;
  std::uint64_t limit_usage_bytes = 0;
  std::uint64_t limit_bytes = 0;
};

struct Refusal {
  std::uint64_t request = 0;
  std::string reason;
};

/// A message that a newer version sends and this one does not know: the number that it has in the schema.
struct Unknown {
  std::uint32_t field = 0;
};

// Unknown is last; the others stand in the order of their numbers.
using HostMessage = std::variant<Hello, Collect, Acknowledge, Unknown>;
using GuestMessage = std::variant<Hello, Snapshot, OomEvent, Refusal, Unknown>;

}  // namespace katameter::wire
