#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "host-probe/metrics/table.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/fd.h"

// The node, its scrape, and host-probe itself.
namespace katameter::host {
namespace {

using prometheus::MetricType;

// To join on sandbox_id what has no other label of the pod; OOM kills outlive their sandbox for a while.
void write_sandbox_info(SeriesWriter& out) {
  static const SandboxNames unnamed;
  static const SandboxPlace nowhere;
  for (const LabelledSandbox& sandbox : out.report().all()) {
    const SandboxNames& names = sandbox.report.names ? *sandbox.report.names : unnamed;
    const SandboxPlace& place = sandbox.report.place ? *sandbox.report.place : nowhere;
    out.add(sandbox.id,
            {{"namespace", names.pod_namespace},
             {"pod", names.pod},
             {"runtime_handler", names.runtime_handler},
             {"uid", names.uid},
             {"hypervisor", place.hypervisor},
             {"layout", place.layout},
             {"reach", name(place.reach)}},
            1);
  }
}

template <std::size_t KataPods::*count>
void write_kata_pods(SeriesWriter& out) {
  if (const auto& pods = out.report().node().kata_pods) out.add({}, static_cast<double>((*pods).*count));
}

void write_node_cpu(SeriesWriter& out) {
  for (const auto& [handler, components] : out.report().node().cpu_by_handler) {
    for (std::size_t i = 0; i < cpu_components; ++i) {
      const auto component = static_cast<CpuComponent>(i);
      out.add({{"runtime_handler", handler}, {"component", name(component)}}, seconds(components[i]));
    }
  }
}

template <typename ValueOf>
void each_collector(SeriesWriter& out, const ValueOf& value) {
  const NodeReport& node = out.report().node();
  out.add({{"collector", "guests"}}, value(node.guests));
  out.add({{"collector", "processes"}}, value(node.processes));
}

// Of /proc/self/statm, in pages: the address space, what is resident. Not by a stream: with its locale it takes 60,000
// instructions.
void write_statm(SeriesWriter& out, std::size_t index) {
  const Fd file(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};  // seven numbers
  const ssize_t bytes = file ? read(file.get(), text.data(), text.size()) : -1;
  if (bytes <= 0) return;
  const char* next = text.data();
  const char* const end = next + bytes;
  std::uint64_t pages = 0;
  for (std::size_t i = 0; i <= index; ++i) {
    const auto [rest, error] = std::from_chars(next, end, pages);
    if (error != std::errc()) return;
    next = rest == end ? rest : rest + 1;  // the blank
  }
  out.add({}, static_cast<double>(pages) * static_cast<double>(getpagesize()));
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void write_own_cpu(SeriesWriter& out) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) out.add({}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

// From 6.2 on the size of the folder is how many there are. To list them takes some microseconds for each.
void write_open_fds(SeriesWriter& out) {
  struct stat folder {};
  if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0) {
    return out.add({}, static_cast<double>(folder.st_size));
  }
  std::error_code error;
  const std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  // One of them is the folder itself.
  if (!error) out.add({}, static_cast<double>(std::distance(begin(descriptors), end(descriptors)) - 1));
}

void write_max_fds(SeriesWriter& out) {
  if (rlimit limit{}; getrlimit(RLIMIT_NOFILE, &limit) == 0) out.add({}, static_cast<double>(limit.rlim_cur));
}

constexpr MetricRow node_rows[] = {
    {{"katameter_sandbox_info",
      "What is known of the sandbox; always 1. Namespace, name and uid of its pod and the handler of its RuntimeClass, "
      "empty until the container runtime has them; hypervisor; layout, the directory of the run root that it was found "
      "in; reach, how host-probe connects to its guest: hybrid_vsock or af_vsock.",
      MetricType::Gauge, "1", "sandbox_id, namespace, pod, runtime_handler, uid, hypervisor, layout, reach",
      "the container runtime, over CRI; the socket in the sandbox's directory"},
     &write_sandbox_info},
    {{"katameter_sandboxes", "Sandboxes found on this node.", MetricType::Gauge, "sandboxes", "",
      "directories of the runtime"},
     [](SeriesWriter& out) { out.add({}, static_cast<double>(out.report().living().size())); }},
    {{"katameter_runtime_kata_pods",
      "Pods that run under a runtime handler of Kata, as the container runtimes list them; absent while one of them "
      "does "
      "not answer.",
      MetricType::Gauge, "pods", "", "the container runtime, over CRI; a minute old at most"},
     &write_kata_pods<&KataPods::running>},
    {{"katameter_runtime_kata_pods_found",
      "Pods of katameter_runtime_kata_pods whose sandbox was found on this node. Of the others nothing is measured.",
      MetricType::Gauge, "pods", "", "the container runtime, over CRI; directories of the runtime"},
     &write_kata_pods<&KataPods::found>},
    {{"katameter_node_sandbox_cpu_seconds_total",
      "CPU time of the host that all sandboxes of the node used since host-probe was started, by runtime handler and "
      "component, in seconds. What ended sandboxes used stays in it, their last interval included.",
      MetricType::Counter, "seconds", "runtime_handler, component",
      "as katameter_sandbox_cpu_seconds_total, and what processes had at their exit"},
     &write_node_cpu},
    {{"katameter_collector_success",
      "By collector, guests: 1 if every reachable guest answered in time; processes: 1 if the host's processes could "
      "be "
      "read; else 0.",
      MetricType::Gauge, "0 or 1", "collector", "host-probe"},
     [](SeriesWriter& out) { each_collector(out, [](const CollectorReport& of) { return of.success ? 1 : 0; }); }},
    {{"katameter_collector_duration_seconds",
      "Time that this scrape took, by collector, in seconds: asking the guests, or reading the host's processes.",
      MetricType::Gauge, "seconds", "collector", "host-probe"},
     [](SeriesWriter& out) { each_collector(out, [](const CollectorReport& of) { return of.seconds; }); }},
    {{"katameter_host_figures_up",
      "Deprecated, use katameter_collector_success{collector=\"processes\"}, which has the same value.",
      MetricType::Gauge, "0 or 1", "", "host-probe"},
     [](SeriesWriter& out) { out.add({}, out.report().node().processes.success ? 1 : 0); }},
    {{"katameter_scrape_collect_duration_seconds", "Time that the collection for this scrape took, in seconds.",
      MetricType::Gauge, "seconds", "", "host-probe"},
     [](SeriesWriter& out) { out.add({}, out.report().node().duration_seconds); }},
};

constexpr MetricRow own_rows[] = {
    {{"katameter_scrape_collect_success", "1 if the collection for this scrape ended in time, else 0.",
      MetricType::Gauge, "0 or 1", "", "host-probe"},
     [](SeriesWriter& out) { out.add({}, out.has_report() ? 1 : 0); }},
    {{"katameter_build_info", "Version of host-probe; always 1.", MetricType::Gauge, "1", "version", "host-probe"},
     [](SeriesWriter& out) {
       out.add({{"version", KATAMETER_VERSION}}, 1);
     }},
    {{"process_cpu_seconds_total", "CPU time of host-probe, user and system, in seconds.", MetricType::Counter,
      "seconds", "", "getrusage()"},
     &write_own_cpu},
    {{"process_resident_memory_bytes", "Resident memory of host-probe, in bytes.", MetricType::Gauge, "bytes", "",
      "/proc/self/statm"},
     [](SeriesWriter& out) { write_statm(out, 1); }},
    {{"process_virtual_memory_bytes", "Address space of host-probe, in bytes.", MetricType::Gauge, "bytes", "",
      "/proc/self/statm"},
     [](SeriesWriter& out) { write_statm(out, 0); }},
    {{"process_open_fds", "File descriptors that host-probe has open.", MetricType::Gauge, "descriptors", "",
      "/proc/self/fd"},
     &write_open_fds},
    {{"process_max_fds", "File descriptors that host-probe may have open.", MetricType::Gauge, "descriptors", "",
      "RLIMIT_NOFILE"},
     &write_max_fds},
};

constexpr auto registry_rows = [] {
  std::array<MetricRow, own::all.size()> rows{};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const OwnMetric& row = own::all[i];
    rows[i].metric = {row.name, row.help, row.type, row.unit, row.labels, row.source};
  }
  return rows;
}();

}  // namespace

constexpr MetricGroup node_group{"The node", "Labels of all: none.", node_rows};
constexpr MetricGroup own_group{
    "host-probe itself",
    "Served also where no collection ended in time; `process_*` are the names that all clients of Prometheus have. "
    "Labels of all: none.",
    own_rows};
constexpr MetricGroup registry_group{"What host-probe does",
                                     "Counted since it was started, from 0 on. Labels of all: none.", registry_rows};

}  // namespace katameter::host
