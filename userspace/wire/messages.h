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
  std::vector<std::string> lacks;  // missing features, under their name in the protocol
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
  std::uint64_t discard_bytes = 0;
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
    {"discard_bytes", 7, &BlockDevice::discard_bytes},
});

struct Container {
  ContainerId id;
  std::string cgroup;
  bool removed = false;
  std::vector<BlockDevice> block_devices;
#define FIGURE(name, ...) Figure name;
#include "userspace/figures/container.def"
};

/// Requests to virtiofs of all kinds; nothing of a container that has made none, or whose guest does not count them.
inline Figure virtiofs_requests(const Container& container) {
  Figure requests;
  for (const auto kind : {&Container::virtiofs_reads, &Container::virtiofs_writes, &Container::virtiofs_opens,
                          &Container::virtiofs_closes, &Container::virtiofs_lookups, &Container::virtiofs_readdirs,
                          &Container::virtiofs_syncs, &Container::virtiofs_others}) {
    if (const Figure& of_kind = container.*kind) requests = requests.value_or(0) + *of_kind;
  }
  return requests;
}

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

/// Whether a value that is not sent is absent, or 0: `optional` and plain fields of proto3.
enum class Presence : std::uint8_t { optional, always };

struct Guest {
#define GUEST_FIGURE(name, number, presence, ...) \
  Figure name = Presence::presence == Presence::always ? Figure(0) : std::nullopt;
#include "userspace/figures/guest.def"
};

/// One figure of the whole guest: a row of guest.def; as ContainerFigure.
struct GuestFigure {
  std::string_view name;
  std::uint32_t field;
  Figure Guest::*value;
  Presence presence;
  FigureKind kind;
  FigureUnit unit;
};

/// In the order in which they are sent: those that are always there come last.
inline constexpr auto guest_figures = [] {
  auto figures = std::to_array<GuestFigure>({
#define GUEST_FIGURE(name, number, presence, kind, unit, ...) \
  {#name, number, &Guest::name, Presence::presence, FigureKind::kind, FigureUnit::unit},
#include "userspace/figures/guest.def"
  });
  std::sort(figures.begin(), figures.end(), [](const GuestFigure& a, const GuestFigure& b) {
    return a.presence != b.presence ? a.presence < b.presence : a.field < b.field;
  });
  return figures;
}();

/// Network interfaces that are reported of a guest.
inline constexpr std::size_t max_interfaces = 32;

/// Whether a name can be one of a network interface: 1 to 15 bytes as in the kernel (IFNAMSIZ, dev_valid_name), of
/// printable ASCII without blanks, '/', ':', and without the quotation mark and backslash, which the kernel would take.
inline bool is_interface_name(std::string_view name) {
  constexpr std::size_t max_bytes = 15;
  if (name.empty() || name.size() > max_bytes || name == "." || name == "..") return false;
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

/// Disks that are reported of a guest.
inline constexpr std::size_t max_disks = 32;

/// A block device of the guest without its partitions, as its line of /proc/diskstats has it, by whomever it was used.
/// Times are in ms, as the kernel shows them: modulo 2^32.
struct Disk {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint64_t reads = 0;
  std::uint64_t reads_merged = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t read_ms = 0;
  std::uint64_t writes = 0;
  std::uint64_t writes_merged = 0;
  std::uint64_t write_bytes = 0;
  std::uint64_t write_ms = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t io_ms = 0;
  std::uint64_t weighted_io_ms = 0;
  std::uint64_t discards = 0;
  std::uint64_t discards_merged = 0;
  std::uint64_t discard_bytes = 0;
  std::uint64_t discard_ms = 0;
  std::uint64_t flushes = 0;
  std::uint64_t flush_ms = 0;
};

/// One value of a disk; as ContainerFigure.
struct DiskFigure {
  std::string_view name;
  std::uint32_t field;
  std::uint64_t Disk::*value;
};

/// In the order of the line's numbers.
inline constexpr auto disk_figures = std::to_array<DiskFigure>({
    {"reads", 3, &Disk::reads},
    {"reads_merged", 4, &Disk::reads_merged},
    {"read_bytes", 5, &Disk::read_bytes},
    {"read_ms", 6, &Disk::read_ms},
    {"writes", 7, &Disk::writes},
    {"writes_merged", 8, &Disk::writes_merged},
    {"write_bytes", 9, &Disk::write_bytes},
    {"write_ms", 10, &Disk::write_ms},
    {"in_flight", 11, &Disk::in_flight},
    {"io_ms", 12, &Disk::io_ms},
    {"weighted_io_ms", 13, &Disk::weighted_io_ms},
    {"discards", 14, &Disk::discards},
    {"discards_merged", 15, &Disk::discards_merged},
    {"discard_bytes", 16, &Disk::discard_bytes},
    {"discard_ms", 17, &Disk::discard_ms},
    {"flushes", 18, &Disk::flushes},
    {"flush_ms", 19, &Disk::flush_ms},
});

/// Volumes that are reported of a guest.
inline constexpr std::size_t max_volumes = 16;

/// The longest path of a mount point that is reported.
inline constexpr std::size_t max_mount_point_bytes = 408;

/// Whether a text can be the path of a volume's mount point: printable ASCII.
inline bool is_mount_point(std::string_view path) {
  return !path.empty() && path.size() <= max_mount_point_bytes &&
         std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

/// A file system that a pod writes to: a tmpfs that its containers share, or one on a block device.
struct Volume {
  std::string name;  // its mount point in the guest
  std::uint64_t used_bytes = 0;
  std::uint64_t limit_bytes = 0;  // 0: without a limit the kernel does not count used_bytes
  std::uint64_t free_inodes = 0;
  std::uint64_t inodes = 0;  // 0: the same of free_inodes
  std::uint32_t major = 0;   // of the block device; a tmpfs has neither number
  std::uint32_t minor = 0;

  bool is_on_device() const { return major != 0 || minor != 0; }
};

/// A volume on a device is known by the device, another one by its mount point.
inline bool is_same_volume(const Volume& a, const Volume& b) {
  if (a.is_on_device() || b.is_on_device()) return a.major == b.major && a.minor == b.minor;
  return a.name == b.name;
}

/// One value of a volume; as ContainerFigure.
struct VolumeFigure {
  std::string_view name;
  std::uint32_t field;
  std::uint64_t Volume::*value;
};

inline constexpr auto volume_figures = std::to_array<VolumeFigure>({
    {"used_bytes", 2, &Volume::used_bytes},
    {"limit_bytes", 3, &Volume::limit_bytes},
    {"free_inodes", 4, &Volume::free_inodes},
    {"inodes", 5, &Volume::inodes},
});

struct Snapshot {
  std::uint64_t request = 0;
  std::uint64_t sequence = 0;
  std::uint64_t boottime_ns = 0;
  std::vector<Container> containers;
  Guest guest;
  std::vector<Interface> interfaces;
  std::vector<Disk> disks{};
  std::vector<Volume> volumes{};
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
