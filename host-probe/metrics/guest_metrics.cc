#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "host-probe/metrics/table.h"
#include "userspace/wire/messages.h"

// A guest as a whole, beside what is one value of its snapshot: whether it answers, OOM kills, CPU time by owner, block
// devices.
namespace katameter::host {
namespace {

using prometheus::MetricType;

void write_source(SeriesWriter& out) {
  const Labels none{{"source", "none"}};
  const Labels guest_probe{{"source", "guest-probe"}};
  const Labels runtime{{"source", "runtime"}};
  for (const LabelledSandbox& sandbox : out.report().living()) {
    const Labels& known = has_guest_probe(sandbox.report) ? guest_probe : runtime;
    out.add(sandbox.id, sandbox.report.guest ? known : none, 1);
  }
}

// Also of a guest that does not answer at the moment: which guest-probe it is that does not.
void write_guest_info(SeriesWriter& out) {
  for (const LabelledSandbox& sandbox : out.report().living()) {
    if (!sandbox.report.guest_info) continue;
    const GuestInfo& info = *sandbox.report.guest_info;
    out.add(sandbox.id, {{"version", info.version}, {"kernel", info.kernel}, {"missing", info.missing}}, 1);
  }
}

void write_protocol_violation(SeriesWriter& out) {
  out.each_sandbox([](const SandboxReport& of) -> Value { return of.suspect; });
}

void write_rejected(SeriesWriter& out) {
  for (std::size_t i = 0; i < drop_reasons; ++i) {
    out.each_sandbox({{"reason", name(static_cast<DropReason>(i))}}, [i](const SandboxReport& of) {
      return of.rejected[i] > 0 ? number(of.rejected[i]) : std::nullopt;
    });
  }
}

// From 0 on, so that the first kill is an increase; classes that ought not to be there only if they are. Also of
// sandboxes that have ended: of a guest whose memory ran out, this kill was the end.
void write_oom_kills(SeriesWriter& out) {
  for (std::size_t i = 0; i < wire::oom_classes; ++i) {
    const auto oom_class = static_cast<wire::OomClass>(i);
    const bool rare = oom_class == wire::OomClass::unknown || oom_class == wire::OomClass::other_limit;
    const Labels of_class{{"class", wire::name(oom_class)}};
    for (const LabelledSandbox& sandbox : out.report().all()) {
      const std::uint64_t kills = sandbox.report.oom_kills_by_class[i];
      if (kills == 0 && (rare || sandbox.report.ended)) continue;
      out.add(sandbox.id, of_class, static_cast<double>(kills));
    }
  }
}

void write_cpu(SeriesWriter& out) {
  using Owner = std::pair<std::string_view, std::uint64_t GuestCpu::*>;
  out.each_sandbox(
      "owner",
      std::initializer_list<Owner>{{"workload", &GuestCpu::workload_ns}, {"guest_system", &GuestCpu::guest_system_ns}},
      [](const SandboxReport& of, std::uint64_t GuestCpu::*ns) {
        return of.guest && of.guest->cpu ? Value(seconds((*of.guest->cpu).*ns)) : std::nullopt;
      });
}

void write_system_cpu(SeriesWriter& out) {
  using Owner = std::pair<std::string_view, std::uint64_t GuestSystemCpu::*>;
  out.each_sandbox("owner",
                   std::initializer_list<Owner>{{"kernel", &GuestSystemCpu::kernel_ns},
                                                {"agent", &GuestSystemCpu::agent_ns},
                                                {"guest_probe", &GuestSystemCpu::probe_ns},
                                                {"other", &GuestSystemCpu::other_ns}},
                   [](const SandboxReport& of, std::uint64_t GuestSystemCpu::*ns) {
                     if (!of.guest || !of.guest->system_cpu) return Value();
                     return Value(seconds((*of.guest->system_cpu).*ns));
                   });
}

// What is done on a block device. An operation has series from its first request on.
struct Operation {
  std::string_view name;
  std::uint64_t wire::Disk::*count;
  std::uint64_t wire::Disk::*merged = nullptr;
  std::uint64_t wire::Disk::*bytes = nullptr;
  std::uint64_t wire::Disk::*ms = nullptr;
};

constexpr Operation operations[] = {
    {"read", &wire::Disk::reads, &wire::Disk::reads_merged, &wire::Disk::read_bytes, &wire::Disk::read_ms},
    {"write", &wire::Disk::writes, &wire::Disk::writes_merged, &wire::Disk::write_bytes, &wire::Disk::write_ms},
    {"discard", &wire::Disk::discards, &wire::Disk::discards_merged, &wire::Disk::discard_bytes,
     &wire::Disk::discard_ms},
    {"flush", &wire::Disk::flushes, nullptr, nullptr, &wire::Disk::flush_ms},
};

template <typename Visit>
void each_disk(SeriesWriter& out, const Visit& visit) {
  for (const LabelledSandbox& sandbox : out.report().living()) {
    if (!sandbox.report.guest) continue;
    for (const wire::Disk& disk : sandbox.report.guest->disks) visit(sandbox.id, disk);
  }
}

template <std::uint64_t wire::Disk::*Operation::*member, int divisor = 1>
void write_operations(SeriesWriter& out) {
  SharedLabels<std::tuple<std::uint32_t, std::uint32_t, std::string_view>> shared;
  each_disk(out, [&](const Labels& sandbox, const wire::Disk& disk) {
    for (const Operation& operation : operations) {
      if (operation.*member == nullptr || disk.*operation.count == 0) continue;
      const Labels& of_operation = shared.of({disk.major, disk.minor, operation.name}, [&] {
        return Labels{{"device", device_name(disk.major, disk.minor)}, {"operation", operation.name}};
      });
      out.add(sandbox, of_operation, static_cast<double>(disk.*(operation.*member)) / divisor);
    }
  });
}

void write_mount_points(SeriesWriter& out) {
  for (const LabelledSandbox& sandbox : out.report().living()) {
    if (!sandbox.report.guest) continue;
    for (const wire::Volume& volume : sandbox.report.guest->volumes) {
      if (!volume.is_on_device()) continue;
      out.add(sandbox.id, {{"device", device_name(volume.major, volume.minor)}, {"mountpoint", volume.name}}, 1);
    }
  }
}

template <std::uint64_t wire::Disk::*member, int divisor = 1>
void write_disk(SeriesWriter& out) {
  SharedLabels<std::pair<std::uint32_t, std::uint32_t>> shared;
  each_disk(out, [&](const Labels& sandbox, const wire::Disk& disk) {
    const Labels& of_disk = shared.of({disk.major, disk.minor}, [&] {
      return Labels{{"device", device_name(disk.major, disk.minor)}};
    });
    out.add(sandbox, of_disk, static_cast<double>(disk.*member) / divisor);
  });
}

constexpr int ms = 1000;  // in a second

constexpr MetricRow guest_rows[] = {
    {{"katameter_guest_probe_up",
      "1 if this scrape has values from guest-probe, else 0; those of a guest that answers late are one scrape old.",
      MetricType::Gauge, "0 or 1", "", "host-probe"},
     [](SeriesWriter& out) { out.each_sandbox([](const SandboxReport& of) -> Value { return has_guest_probe(of); }); }},
    {{"katameter_guest_source",
      "Where the values of the guest's containers come from in this scrape, always 1: guest-probe, or the container "
      "runtime for a guest that has had none, whose values are fewer and up to a minute old, or none.",
      MetricType::Gauge, "1", "source", "host-probe"},
     &write_source},
    {{"katameter_guest_info",
      "What the guest says of itself, since its guest-probe has connected; always 1. Version of guest-probe, the "
      "kernel's "
      "release, and what that kernel does not let guest-probe report, as `guest-probe check` names it, separated by "
      "commas. Version and kernel are empty if they have other characters than letters, digits and `._+~-`. A guest "
      "that "
      "has described itself in more than 16 ways has no series.",
      MetricType::Gauge, "1", "version, kernel, missing", "guest: its Hello"},
     &write_guest_info},
    {{"katameter_guest_protocol_violation",
      "1 if the guest violated the protocol in the last 10 minutes, else 0; katameter_guest_frames_rejected_total has "
      "the reasons.",
      MetricType::Gauge, "0 or 1", "", "host-probe"},
     &write_protocol_violation},
    {{"katameter_guest_suspect", "Deprecated, use katameter_guest_protocol_violation, which has the same value.",
      MetricType::Gauge, "0 or 1", "", "host-probe"},
     &write_protocol_violation},
    {{"katameter_guest_frames_rejected_total", "Guest messages rejected, and timeouts, by reason.", MetricType::Counter,
      "times", "reason", "counted by host-probe"},
     &write_rejected},
    {{"katameter_guest_cpu_seconds_total",
      "CPU time as the guest's kernel counts it, by owner, in seconds; it includes the time that vCPUs waited for a "
      "CPU "
      "of the host.",
      MetricType::Counter, "seconds", "owner", "guest: the root cgroup's CPU time, and that of all containers"},
     &write_cpu},
    {{"katameter_guest_system_cpu_seconds_total",
      "The guest_system part of katameter_guest_cpu_seconds_total by owner, in seconds; what a task used between a "
      "scrape and its exit counts as other.",
      MetricType::Counter, "seconds", "owner",
      "guest: `task_struct.se.sum_exec_runtime` of tasks in no container, by `iter/task`"},
     &write_system_cpu},
    {{"katameter_guest_oom_kills_total",
      "OOM kills in the guest by the limit that was hit: the container's, the pod's, or the guest's memory as a whole.",
      MetricType::Counter, "kills", "class", "guest: tracepoint `mark_victim`, `struct oom_control` for the class"},
     &write_oom_kills},
    {{"katameter_guest_block_operations_total",
      "Requests that a block device of the guest has completed, by operation: of containers, the guest system and the "
      "kernel; after merging.",
      MetricType::Counter, "requests", "device, operation",
      "guest: /proc/diskstats: reads, writes, discards and flushes completed"},
     &write_operations<&Operation::count>},
    {{"katameter_guest_block_merged_total",
      "Requests to a block device of the guest that were merged with another one before it got them, by operation.",
      MetricType::Counter, "requests", "device, operation", "the same: merged"},
     &write_operations<&Operation::merged>},
    {{"katameter_guest_block_bytes_total",
      "Bytes that a block device of the guest has read, written or discarded, by operation.", MetricType::Counter,
      "bytes", "device, operation", "the same: sectors of 512 bytes"},
     &write_operations<&Operation::bytes>},
    {{"katameter_guest_block_operation_seconds_total",
      "Time that the completed requests to a block device of the guest took, summed up, by operation, in seconds; "
      "begins again at 0 after 2^32 ms.",
      MetricType::Counter, "seconds", "device, operation", "the same: ms spent"},
     &write_operations<&Operation::ms, ms>},
    {{"katameter_guest_block_io_time_seconds_total",
      "Time in which a block device of the guest had requests, in seconds; begins again at 0 after 2^32 ms.",
      MetricType::Counter, "seconds", "device", "the same: ms spent doing I/Os"},
     &write_disk<&wire::Disk::io_ms, ms>},
    {{"katameter_guest_block_io_time_weighted_seconds_total",
      "Time that all requests to a block device of the guest took, summed up, in seconds; begins again at 0 after 2^32 "
      "ms.",
      MetricType::Counter, "seconds", "device", "the same: weighted ms"},
     &write_disk<&wire::Disk::weighted_io_ms, ms>},
    {{"katameter_guest_block_in_flight", "Requests to a block device of the guest that have not been completed.",
      MetricType::Gauge, "requests", "device", "the same: I/Os in progress"},
     &write_disk<&wire::Disk::in_flight>},
    {{"katameter_guest_block_device_info",
      "1 for each block device of the guest with a file system that can be written to, by the point where it is "
      "mounted in the guest.",
      MetricType::Gauge, "1", "device, mountpoint", "guest: `super_block.s_dev` and its mount; ext4 and xfs"},
     &write_mount_points},
    {{"katameter_oom_events_received_total", "OOM events received from the guest.", MetricType::Counter, "events", "",
      "counted by host-probe"},
     [](SeriesWriter& out) { out.each_sandbox([](const SandboxReport& of) { return number(of.oom_events); }); }},
};

}  // namespace

constexpr MetricGroup guest_group{"Guests", "Labels of all: `sandbox_id`.", guest_rows};

}  // namespace katameter::host
