#include <cstdint>

#include "host-probe/metrics/table.h"
#include "userspace/wire/messages.h"

// A guest as a whole: whether it answers, OOM kills, memory, CPU time, and what guest-probe could not report.
namespace katameter::host {
namespace {

using prometheus::MetricType;

// Nothing of a guest that has not answered, or is not believed.
Value guest_wide(const SandboxReport& of, wire::Figure wire::Guest::*member) {
  return of.guest ? number(of.guest->guest_wide.*member) : std::nullopt;
}

template <wire::Figure wire::Guest::*member>
void write_guest_value(SeriesWriter& out) {
  out.each_sandbox([](const SandboxReport& of) { return guest_wide(of, member); });
}

// From 0 on, so that the first one is an increase.
template <std::uint64_t wire::Guest::*member>
void write_loss(SeriesWriter& out) {
  out.each_sandbox(
      [](const SandboxReport& of) { return of.guest ? number(of.guest->guest_wide.*member) : std::nullopt; });
}

template <wire::Figure wire::Guest::*member>
void write_unattributed(SeriesWriter& out, double unit) {
  out.each_sandbox([unit](const SandboxReport& of) -> Value {
    if (!guest_wide(of, &wire::Guest::unattributed_containers)) return std::nullopt;
    return guest_wide(of, member).value_or(0) / unit;
  });
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
    for (const LabelledSandbox& sandbox : out.report().all()) {
      const std::uint64_t kills = sandbox.report.oom_kills_by_class[i];
      if (kills == 0 && (rare || sandbox.report.ended)) continue;
      out.add(sandbox.id, {{"class", wire::name(oom_class)}}, static_cast<double>(kills));
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

using GuestValue = std::pair<std::string_view, wire::Figure wire::Guest::*>;

// Parts of MemTotal, none of which is in another.
void write_memory(SeriesWriter& out) {
  out.each_sandbox("component",
                   std::initializer_list<GuestValue>{{"free", &wire::Guest::memory_free_bytes},
                                                     {"page_cache", &wire::Guest::memory_cache_bytes},
                                                     {"anonymous", &wire::Guest::memory_anonymous_bytes},
                                                     {"slab", &wire::Guest::memory_slab_bytes},
                                                     {"kernel_stack", &wire::Guest::memory_kernel_stack_bytes},
                                                     {"page_tables", &wire::Guest::memory_page_tables_bytes}},
                   [](const SandboxReport& of, wire::Figure wire::Guest::*bytes) { return guest_wide(of, bytes); });
}

void write_program_misses(SeriesWriter& out) {
  out.each_sandbox(
      "program",
      std::initializer_list<GuestValue>{{"cgroup_rmdir", &wire::Guest::program_misses_cgroup_rmdir},
                                        {"cgroup_mkdir", &wire::Guest::program_misses_cgroup_mkdir},
                                        {"mark_victim", &wire::Guest::program_misses_mark_victim},
                                        {"reclaim", &wire::Guest::program_misses_reclaim},
                                        {"cpuhp_enter", &wire::Guest::program_misses_cpuhp_enter},
                                        {"sched_process_free", &wire::Guest::program_misses_sched_process_free}},
      [](const SandboxReport& of, wire::Figure wire::Guest::*misses) { return guest_wide(of, misses); });
}

constexpr MetricRow rows[] = {
    {{"katameter_guest_probe_up",
      "1 if this scrape has values from guest-probe, else 0; those of a guest that answers late are one scrape old.",
      MetricType::Gauge, "0 or 1", "", "host-probe"},
     [](SeriesWriter& out) {
       out.each_sandbox([](const SandboxReport& of) -> Value { return of.guest.has_value(); });
     }},
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
    {{"katameter_oom_events_received_total", "OOM events received from the guest.", MetricType::Counter, "events", "",
      "counted by host-probe"},
     [](SeriesWriter& out) { out.each_sandbox([](const SandboxReport& of) { return number(of.oom_events); }); }},
    {{"katameter_guest_memory_bytes", "Memory in the guest by use, in bytes.", MetricType::Gauge, "bytes", "component",
      "guest: /proc/meminfo: MemFree; Cached and Buffers; AnonPages; Slab; KernelStack; PageTables"},
     &write_memory},
    {{"katameter_guest_memory_total_bytes", "Memory of the guest's kernel, in bytes.", MetricType::Gauge, "bytes", "",
      "guest: /proc/meminfo, MemTotal"},
     &write_guest_value<&wire::Guest::memory_total_bytes>},
    {{"katameter_guest_memory_available_bytes",
      "Memory available to new processes of the guest without swapping, as its kernel estimates it, in bytes.",
      MetricType::Gauge, "bytes", "", "guest: /proc/meminfo, MemAvailable"},
     &write_guest_value<&wire::Guest::memory_available_bytes>},
    {{"katameter_guest_swap_total_bytes", "Swap space of the guest, in bytes.", MetricType::Gauge, "bytes", "",
      "guest: /proc/meminfo, SwapTotal"},
     &write_guest_value<&wire::Guest::swap_total_bytes>},
    {{"katameter_guest_swap_free_bytes", "Unused swap space of the guest, in bytes.", MetricType::Gauge, "bytes", "",
      "guest: /proc/meminfo, SwapFree"},
     &write_guest_value<&wire::Guest::swap_free_bytes>},
    {{"katameter_guest_unattributed_containers",
      "Containers without series of their own: those above guest-probe's --max-containers.", MetricType::Gauge,
      "containers", "", "beyond `--max-containers`"},
     [](SeriesWriter& out) { write_unattributed<&wire::Guest::unattributed_containers>(out, 1); }},
    {{"katameter_guest_unattributed_cpu_usage_seconds_total",
      "CPU time of the containers without series of their own, in seconds.", MetricType::Counter, "seconds", "",
      "as container_cpu_usage_seconds_total"},
     [](SeriesWriter& out) { write_unattributed<&wire::Guest::unattributed_cpu_usage_ns>(out, 1e9); }},
    {{"katameter_guest_unattributed_memory_usage_bytes",
      "Memory of the containers without series of their own, in bytes.", MetricType::Gauge, "bytes", "",
      "as container_memory_usage_bytes"},
     [](SeriesWriter& out) { write_unattributed<&wire::Guest::unattributed_memory_usage_bytes>(out, 1); }},
    {{"katameter_guest_cgroups_unreported",
      "Cgroups of the guest that guest-probe did not read, because its table was full; no series has what they used.",
      MetricType::Gauge, "cgroups", "", "counted by guest-probe"},
     &write_loss<&wire::Guest::containers_unreported>},
    {{"katameter_guest_interfaces_unreported",
      "Network interfaces of the guest without series: too many, or an unusual name.", MetricType::Gauge, "interfaces",
      "", "counted by guest-probe"},
     &write_loss<&wire::Guest::interfaces_unreported>},
    {{"katameter_guest_block_devices_unreported",
      "Block devices of containers without series: too many in one container, or in all.", MetricType::Gauge, "devices",
      "", "counted by guest-probe"},
     &write_loss<&wire::Guest::block_devices_unreported>},
    {{"katameter_guest_removed_containers_lost_total",
      "Removed cgroups of the guest whose last values were overwritten before they could be sent.", MetricType::Counter,
      "cgroups", "", "counted by guest-probe"},
     &write_loss<&wire::Guest::containers_lost>},
    {{"katameter_guest_oom_events_lost_total",
      "OOM events of the guest that were overwritten before they could be sent.", MetricType::Counter, "events", "",
      "counted by guest-probe"},
     &write_loss<&wire::Guest::oom_events_lost>},
    {{"katameter_guest_reclaim_stalls_lost_total",
      "Direct-reclaim stalls of the guest that were not counted, because the table was full.", MetricType::Counter,
      "stalls", "", "counted by guest-probe"},
     &write_loss<&wire::Guest::stalls_lost>},
    {{"katameter_guest_program_misses_total",
      "Times that the guest's kernel skipped an attached program of guest-probe, because the program was already "
      "running on that CPU; what it would have recorded may be missing.",
      MetricType::Counter, "times", "program",
      "guest: `recursion_misses` in the fdinfo of the program (5.12), since guest-probe was started"},
     &write_program_misses},
};

}  // namespace

constexpr MetricGroup guest_group{"Guests", "Labels of all: `sandbox_id`.", rows};

}  // namespace katameter::host
