#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "host-probe/metrics/table.h"
#include "userspace/wire/messages.h"

// Of a container and its pod what is more than one value of the container's snapshot: block I/O by device, network by
// interface, volumes, how long requests to virtiofs took, and the CPU time of the host.
namespace katameter::host {
namespace {

using prometheus::MetricType;

Labels device_labels(const wire::BlockDevice& device) {
  return {{"device", device_name(device.major, device.minor)}};
}

// Those that have ended, too.
template <typename Visit>
void each_container(SeriesWriter& out, const Visit& visit) {
  for (const LabelledSandbox& sandbox : out.report().living()) {
    for (std::size_t i = 0; i < sandbox.containers.size(); ++i) {
      visit(sandbox.report.guest->containers[i], *sandbox.containers[i]);
    }
  }
  for (const LabelledEnded& ended : out.report().ended_containers()) visit(*ended.container.last, ended.labels);
}

template <typename LabelsOf>
void each_device(SeriesWriter& out, std::uint64_t wire::BlockDevice::*member, const LabelsOf& labels_of,
                 bool with_zeros = true) {
  SharedLabels<std::pair<std::uint32_t, std::uint32_t>> shared;
  each_container(out, [&](const wire::Container& container, const Labels& labels) {
    for (const wire::BlockDevice& device : container.block_devices) {
      if (!with_zeros && device.*member == 0) continue;
      const Labels& of_device = shared.of({device.major, device.minor}, [&] { return labels_of(device); });
      out.add(labels, of_device, static_cast<double>(device.*member));
    }
  });
}

template <std::uint64_t wire::BlockDevice::*member>
void write_device(SeriesWriter& out) {
  each_device(out, member, &device_labels);
}

// Few containers discard anything.
void write_device_usage(SeriesWriter& out) {
  using Operation = std::pair<const char*, std::uint64_t wire::BlockDevice::*>;
  for (const auto& [operation, bytes] :
       {Operation{"Read", &wire::BlockDevice::read_bytes}, Operation{"Write", &wire::BlockDevice::write_bytes},
        Operation{"Discard", &wire::BlockDevice::discard_bytes}}) {
    const auto labels_of = [operation = operation](const wire::BlockDevice& device) {
      Labels labels = device_labels(device);
      labels.push_back({"major", std::to_string(device.major)});
      labels.push_back({"minor", std::to_string(device.minor)});
      labels.push_back({"operation", operation});
      return labels;
    };
    each_device(out, bytes, labels_of, bytes != &wire::BlockDevice::discard_bytes);
  }
}

// The interfaces are the sandbox's; as with kubelet its pause container, which has its id, stands for the pod.
template <std::uint64_t wire::Interface::*member>
void write_interface(SeriesWriter& out) {
  SharedLabels<std::string_view> shared;
  for (const LabelledSandbox& sandbox : out.report().living()) {
    if (!sandbox.report.guest) continue;
    for (const wire::Interface& link : sandbox.report.guest->interfaces) {
      const Labels& of_interface = shared.of(link.name, [&] { return Labels{{"interface", link.name}}; });
      out.add(sandbox.pod(), of_interface, static_cast<double>(link.*member));
    }
  }
}

// The series of a container stand beside each other, as a histogram's do. The kinds' times are its sum.
void write_virtiofs_durations(SeriesWriter& out) {
  using Bucket = std::pair<wire::Figure wire::Container::*, Labels>;
  const Bucket buckets[] = {{&wire::Container::virtiofs_up_to_100us, {{"le", "0.0001"}}},
                            {&wire::Container::virtiofs_up_to_1ms, {{"le", "0.001"}}},
                            {&wire::Container::virtiofs_up_to_10ms, {{"le", "0.01"}}},
                            {&wire::Container::virtiofs_up_to_100ms, {{"le", "0.1"}}},
                            {&wire::Container::virtiofs_up_to_1s, {{"le", "1"}}},
                            {&wire::Container::virtiofs_over_1s, {{"le", "+Inf"}}}};
  each_container(out, [&](const wire::Container& container, const Labels& labels) {
    if (!container.virtiofs_over_1s) return;
    std::uint64_t count = 0;
    for (const auto& [requests, le] : buckets) {
      count += (container.*requests).value_or(0);
      out.add(labels, le, static_cast<double>(count), "_bucket");
    }
    std::uint64_t ns = 0;
    for (const auto of_kind : {&wire::Container::virtiofs_read_ns, &wire::Container::virtiofs_write_ns,
                               &wire::Container::virtiofs_sync_ns, &wire::Container::virtiofs_metadata_ns}) {
      ns += (container.*of_kind).value_or(0);
    }
    out.add(labels, {}, seconds(ns), "_sum");
    out.add(labels, {}, static_cast<double>(count), "_count");
  });
}

template <SharedCost... costs>
void write_costs(SeriesWriter& out) {
  for (const SharedCost cost : {costs...}) {
    const Labels further{label_of(cost)};
    const auto add = [&](const Labels& labels, const SharedCosts& of) {
      if (const Value value = value_of(of, cost)) out.add(labels, further, *value);
    };
    for (const LabelledSandbox& sandbox : out.report().living()) {
      if (!sandbox.report.account) continue;
      for (const auto& [container, of] : sandbox.report.account->container_costs) {
        add(sandbox.by_container.at(container), of);
      }
    }
    for (const LabelledEnded& ended : out.report().ended_containers()) add(ended.labels, ended.container.costs);
  }
}

template <std::optional<std::uint64_t> WritableLayer::*member>
void write_layer(SeriesWriter& out) {
  for (const LabelledSandbox& sandbox : out.report().living()) {
    for (const auto& [container, layer] : sandbox.report.layers) {
      if (const Value value = number(layer.*member)) out.add(sandbox.by_container.at(container), *value);
    }
  }
}

// As cAdvisor has it: a block device, or the mount point of a tmpfs.
Labels volume_labels(const wire::Volume& volume) {
  return {{"device", volume.is_on_device() ? device_name(volume.major, volume.minor) : volume.name}};
}

// A container's root file system is mounted at .../ID/rootfs; what else there is belongs to the pod.
const Labels& owner_of(const wire::Volume& volume, const LabelledSandbox& sandbox) {
  std::string_view path = volume.name;
  constexpr std::string_view last = "/rootfs";
  if (!path.ends_with(last)) return sandbox.pod();
  path.remove_suffix(last.size());
  const auto id = ContainerId::from_hex(path.substr(path.rfind('/') + 1));
  const auto container = id ? sandbox.by_container.find(*id) : sandbox.by_container.end();
  return container == sandbox.by_container.end() ? sandbox.pod() : container->second;
}

// Without a limit the kernel does not count.
template <std::uint64_t wire::Volume::*member, std::uint64_t wire::Volume::*limit>
void write_volumes(SeriesWriter& out) {
  SharedLabels<std::tuple<std::string_view, std::uint32_t, std::uint32_t>> shared;
  for (const LabelledSandbox& sandbox : out.report().living()) {
    if (!sandbox.report.guest) continue;
    for (const wire::Volume& volume : sandbox.report.guest->volumes) {
      if (volume.*limit == 0) continue;
      const Labels& of_volume =
          shared.of({volume.name, volume.major, volume.minor}, [&] { return volume_labels(volume); });
      out.add(owner_of(volume, sandbox), of_volume, static_cast<double>(volume.*member));
    }
  }
}

void write_usage(SeriesWriter& out) {
  write_layer<&WritableLayer::bytes>(out);
  write_volumes<&wire::Volume::used_bytes, &wire::Volume::limit_bytes>(out);
}

void write_last_seen(SeriesWriter& out) {
  const auto unix_seconds = static_cast<double>(out.report().node().unix_seconds);
  for (const LabelledSandbox& sandbox : out.report().living()) {
    for (const Labels* labels : sandbox.containers) {
      out.add(*labels, unix_seconds - static_cast<double>(sandbox.report.guest->age_seconds));
    }
  }
}

constexpr MetricRow container_rows[] = {
    {{"container_last_seen", "Last time a container was seen by the exporter, unix time in seconds.", MetricType::Gauge,
      "seconds since 1970", "", "the host's clock when the guest answered"},
     &write_last_seen},
    {{"container_fs_reads_total", "Cumulative count of reads completed", MetricType::Counter, "requests", "device",
      "`blkcg_gq` of the container and device: iostat, as io.stat"},
     &write_device<&wire::BlockDevice::reads>},
    {{"container_fs_reads_bytes_total", "Cumulative count of bytes read", MetricType::Counter, "bytes", "device",
      "the same"},
     &write_device<&wire::BlockDevice::read_bytes>},
    {{"container_fs_writes_total", "Cumulative count of writes completed", MetricType::Counter, "requests", "device",
      "the same"},
     &write_device<&wire::BlockDevice::writes>},
    {{"container_fs_writes_bytes_total", "Cumulative count of bytes written", MetricType::Counter, "bytes", "device",
      "the same"},
     &write_device<&wire::BlockDevice::write_bytes>},
    {{"container_blkio_device_usage_total", "Blkio Device bytes usage", MetricType::Counter, "bytes",
      "device, major, minor, operation", "the same; `Discard` from the first on"},
     &write_device_usage},
    {{"container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.",
      MetricType::Gauge, "bytes", "device",
      "without `device`, the container's root file system: the container runtime, CRI, `writable_layer.used_bytes`, on "
      "the host; on the pod's row, its /dev/shm and each emptyDir in memory: `shmem_sb_info.used_blocks`; what is on a "
      "block device of the guest, on the pod's row, or on the container's whose root file system it is: statfs(2) from "
      "`ext4_sb_info` or `xfs_mount`"},
     &write_usage},
    {{"container_fs_limit_bytes", "Number of bytes that can be consumed by the container on this filesystem.",
      MetricType::Gauge, "bytes", "device",
      "the same, without the container runtime's: of a tmpfs `shmem_sb_info.max_blocks`"},
     &write_volumes<&wire::Volume::limit_bytes, &wire::Volume::limit_bytes>},
    {{"container_fs_inodes_total", "Number of Inodes", MetricType::Gauge, "inodes", "device",
      "the same: of a tmpfs `shmem_sb_info.max_inodes`"},
     &write_volumes<&wire::Volume::inodes, &wire::Volume::inodes>},
    {{"container_fs_inodes_free", "Number of available Inodes", MetricType::Gauge, "inodes", "device",
      "the same: of a tmpfs `shmem_sb_info.free_inodes`; from 6.6 on `free_ispace`, of which an inode takes 1024"},
     &write_volumes<&wire::Volume::free_inodes, &wire::Volume::inodes>},
    {{"katameter_container_fs_inodes_used",
      "Files and directories in what the container has written to its root file system.", MetricType::Gauge, "inodes",
      "", "the same, `inodes_used`"},
     &write_layer<&WritableLayer::inodes>},
    {{"katameter_container_host_cpu_seconds_total",
      "CPU time that the host spent for the container, by component, in seconds. workload: its share of the vCPUs' CPU "
      "time, without the time that the guest's counters include while a vCPU waited for the host. virtiofsd: its share "
      "of virtiofsd's, by the requests that it made.",
      MetricType::Counter, "seconds", "component",
      "katameter_sandbox_cpu_seconds_total, divided by the containers' CPU time, and by their requests to virtiofs and "
      "the bytes of these"},
     &write_costs<SharedCost::workload_cpu, SharedCost::virtiofsd_cpu>},
    {{"katameter_container_host_fs_reads_bytes_total",
      "Bytes that the sandbox's processes on the host read from storage for the container, by role: its share of what "
      "virtiofsd and the VMM read.",
      MetricType::Counter, "bytes", "role",
      "katameter_process_io_bytes_total, divided: virtiofsd's by bytes of requests to virtiofs, the VMM's by bytes of "
      "block I/O"},
     &write_costs<SharedCost::virtiofsd_reads, SharedCost::vmm_reads>},
    {{"katameter_container_host_fs_writes_bytes_total",
      "Bytes that the sandbox's processes on the host wrote to storage for the container, by role: its share of what "
      "virtiofsd and the VMM wrote.",
      MetricType::Counter, "bytes", "role", "the same"},
     &write_costs<SharedCost::virtiofsd_writes, SharedCost::vmm_writes>},
    {{"katameter_container_virtiofs_request_duration_seconds",
      "Time from sending to the end of a request that the container has made to virtiofs, in seconds, of all kinds.",
      MetricType::Histogram, "seconds", "le",
      "`fuse_request_send` to `fuse_request_end`, as katameter_container_virtiofs_seconds_total, which has the sum by "
      "kind"},
     &write_virtiofs_durations},
};

constexpr MetricRow network_rows[] = {
    {{"container_network_receive_bytes_total", "Cumulative count of bytes received.", MetricType::Counter, "bytes",
      "interface", "guest: `rtnl_link_stats64`, by rtnetlink"},
     &write_interface<&wire::Interface::receive_bytes>},
    {{"container_network_receive_packets_total", "Cumulative count of packets received.", MetricType::Counter,
      "packets", "interface", "the same"},
     &write_interface<&wire::Interface::receive_packets>},
    {{"container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving.",
      MetricType::Counter, "packets", "interface", "the same: rx_dropped and rx_missed_errors"},
     &write_interface<&wire::Interface::receive_dropped>},
    {{"container_network_receive_errors_total", "Cumulative count of errors encountered while receiving.",
      MetricType::Counter, "errors", "interface", "the same"},
     &write_interface<&wire::Interface::receive_errors>},
    {{"container_network_transmit_bytes_total", "Cumulative count of bytes transmitted.", MetricType::Counter, "bytes",
      "interface", "the same"},
     &write_interface<&wire::Interface::transmit_bytes>},
    {{"container_network_transmit_packets_total", "Cumulative count of packets transmitted.", MetricType::Counter,
      "packets", "interface", "the same"},
     &write_interface<&wire::Interface::transmit_packets>},
    {{"container_network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting.",
      MetricType::Counter, "packets", "interface", "the same"},
     &write_interface<&wire::Interface::transmit_dropped>},
    {{"container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting.",
      MetricType::Counter, "errors", "interface", "the same"},
     &write_interface<&wire::Interface::transmit_errors>},
};

}  // namespace

constexpr MetricGroup container_group{
    "Containers",
    "cAdvisor's names, types and meanings. The counters of a container, and its highest memory usage, are reported for "
    "five minutes after its end. Labels of all: `id`, `name`, `image`, `namespace`, `pod`, `container`.",
    container_rows};
constexpr MetricGroup network_group{
    "Network of a sandbox",
    "On the row of its pause container, once for each pod. Labels of all: `id`, `name`, `image`, `namespace`, `pod`, "
    "`container`.",
    network_rows};

}  // namespace katameter::host
