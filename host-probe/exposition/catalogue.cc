#include "host-probe/exposition/catalogue.h"

#include <string_view>
#include <vector>

#include "host-probe/exposition/account_metrics.h"
#include "host-probe/exposition/block_device_metrics.h"
#include "host-probe/exposition/guest_metrics.h"
#include "host-probe/exposition/metric_notes.h"
#include "host-probe/exposition/metric_table.h"
#include "host-probe/exposition/own_process_metrics.h"
#include "host-probe/exposition/process_metrics.h"

namespace katameter {
namespace {

// What a metric has beyond the labels that all of its group have.
struct Row {
  const Descriptor* metric;
  std::string_view labels;
};

struct Group {
  std::string_view title;
  std::string_view about;  // the labels of all, last in backquotes
  std::vector<Row> rows;
};

template <typename Table>
void add(Group& group, const Table& table, std::string_view labels) {
  for (const auto& row : table) group.rows.push_back({&row.descriptor, labels});
}

Group containers() {
  Group group{"Containers",
              "cAdvisor's names, types and meanings. Labels of all: `id`, `name`, `image`, `namespace`, `pod`, "
              "`container`.",
              {}};
  for (const ContainerMetric& row : metric::of_container) {
    group.rows.push_back({&row.descriptor, row.per_cpu ? "cpu" : ""});
  }
  group.rows.push_back({&metric::memory_failures, "failure_type, scope"});
  add(group, metric::of_block_device, "device");
  group.rows.push_back({&metric::block_device_usage, "device, major, minor, operation"});
  group.rows.push_back({&metric::container_ooms, ""});
  group.rows.push_back({&metric::container_start, ""});
  group.rows.push_back({&metric::container_last_seen, ""});
  group.rows.push_back({&metric::context_switches, "type"});
  group.rows.push_back({&metric::container_host_cpu, ""});
  return group;
}

Group network() {
  Group group{
      "Network of a sandbox",
      "On the row of its pause container, once for each pod. Labels of all: `id`, `name`, `image`, `namespace`, "
      "`pod`, `container`.",
      {}};
  add(group, metric::of_interface, "interface");
  return group;
}

Group guests() {
  Group group{"Guests", "Labels of all: `sandbox_id`.", {}};
  group.rows = {{&metric::guest_up, ""},       {&metric::guest_suspect, ""},         {&metric::rejected, "reason"},
                {&metric::guest_cpu, "owner"}, {&metric::guest_system_cpu, "owner"}, {&metric::guest_ooms, "class"},
                {&metric::oom_events, ""},     {&metric::guest_memory, "component"}};
  add(group, metric::of_guest, "");
  group.rows.push_back({&metric::unattributed_containers, ""});
  group.rows.push_back({&metric::unattributed_cpu, ""});
  group.rows.push_back({&metric::unattributed_memory, ""});
  add(group, metric::guest_losses, "");
  group.rows.push_back({&metric::program_misses, "program"});
  return group;
}

Group books() {
  return {"What a sandbox costs the host",
          "In every scrape the components are the total. Labels of all: `sandbox_id`.",
          {{&metric::account_cpu, "component"},
           {&metric::account_cpu_total, ""},
           {&metric::account_cpu_overhead, ""},
           {&metric::account_steal, ""},
           {&metric::sandbox_memory, "component"},
           {&metric::account_memory_total, ""},
           {&metric::account_memory_overhead, ""},
           {&metric::account_guest_ram, "use"},
           {&metric::account_reclaimable, ""}}};
}

Group processes() {
  return {"Processes of a sandbox on the host",
          "Labels of all: `sandbox_id`.",
          {{&metric::process_cpu, "role"},
           {&metric::process_run_delay, "role"},
           {&metric::process_guest_time, ""},
           {&metric::process_memory, "role, kind"},
           {&metric::process_faults, "role, type"},
           {&metric::process_io, "role, direction"},
           {&metric::host_ooms, "role"}}};
}

Group node() {
  return {"The node and host-probe",
          "Labels of all: none.",
          {{&metric::sandbox_info, "sandbox_id, namespace, pod, runtime_handler"},
           {&metric::sandboxes, ""},
           {&metric::host_figures, ""},
           {&metric::collect_duration, ""},
           {&metric::collect_success, ""},
           {&metric::collector_duration, "collector"},
           {&metric::collector_success, "collector"},
           {&metric::build_info, "version"},
           {&metric::own_cpu, ""},
           {&metric::own_resident, ""},
           {&metric::own_virtual, ""},
           {&metric::own_open_fds, ""},
           {&metric::own_max_fds, ""}}};
}

metric::Note note_of(std::string_view name) {
  for (const metric::Note& note : metric::notes) {
    if (note.metric == name) return note;
  }
  return {name, "?", "?"};
}

std::string line(const Row& row) {
  const metric::Note note = note_of(row.metric->name);
  std::string out = "| `";
  const auto cell = [&](std::string_view text, const char* end) { out.append(text).append(end); };
  cell(row.metric->name, "` | ");
  cell(row.metric->type == prometheus::MetricType::Counter ? "counter" : "gauge", " | ");
  cell(note.unit, " | ");
  cell(row.labels, " | ");
  cell(row.metric->help, " | ");
  cell(note.source, " |\n");
  return out;
}

}  // namespace

std::string catalogue_markdown() {
  std::string out =
      "# Metrics\n\nWritten by `host-probe metrics` from the table that host-probe serves from, "
      "not by hand: `host-probe metrics >docs/metrics.md`.\n\n"
      "What a kernel cannot give has no series; it is never 0 instead. v1 and v2 are the versions of cgroups in the\n"
      "guest. A figure of a container includes the cgroups inside it.\n";
  for (const Group& group : {containers(), network(), guests(), books(), processes(), node()}) {
    out.append("\n## ").append(group.title).append("\n\n").append(group.about);
    out += "\n\n| metric | type | unit | further labels | what | from |\n|---|---|---|---|---|---|\n";
    for (const Row& row : group.rows) out += line(row);
  }
  return out;
}

}  // namespace katameter
