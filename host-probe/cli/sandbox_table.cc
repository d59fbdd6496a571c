#include "host-probe/cli/sandbox_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "host-probe/http/api.h"

namespace katameter::host {
namespace {

using nlohmann::json;

std::optional<double> number(const json& object, const json::json_pointer& path) {
  if (!object.contains(path)) return std::nullopt;
  const json& value = object.at(path);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::optional<double> number(const json& object, const char* path) {
  return number(object, json::json_pointer(path));
}

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_list_of_objects(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_array() &&
         std::ranges::all_of(*found, [](const json& entry) { return entry.is_object(); });
}

// What a number, or each number of an object, grew by in a second; null if there is none.
json rate(const json& now, const json& earlier, double seconds) {
  if (now.is_number() && earlier.is_number()) {
    const double grown = now.get<double>() - earlier.get<double>();
    return grown >= 0 ? json(grown / seconds) : json();
  }
  json rates;
  if (!now.is_object() || !earlier.is_object()) return rates;
  for (const auto& [name, value] : now.items()) {
    const auto before = earlier.find(name);
    if (before == earlier.end()) continue;
    if (json of = rate(value, *before, seconds); !of.is_null()) rates[name] = std::move(of);
  }
  return rates;
}

void add_rates_of(json& now, const json& earlier, double seconds) {
  json rates = json::object();
  for (const auto& [name, value] : now.items()) {
    const auto before = earlier.find(name);
    if (before == earlier.end() || !std::string_view(name).ends_with("_total")) continue;
    if (json of = rate(value, *before, seconds); !of.is_null()) rates[name] = std::move(of);
  }
  now["per_second"] = std::move(rates);
}

std::map<std::string, const json*> by_id(const json& objects) {
  std::map<std::string, const json*> found;
  for (const json& object : objects) found.emplace(text(object, "id"), &object);
  return found;
}

struct Column {
  const char* title;
  const char* of_sandbox;
  const char* of_container;
  bool memory;
};

// What matters most first: a narrow terminal shows the beginning.
constexpr std::array columns{
    Column{"CPU%", "/per_second/host_cpu_seconds_total", "/per_second/cpu_usage_seconds_total", false},
    Column{"OVERHEAD%", "/per_second/overhead_cpu_seconds_total", "", false},
    Column{"MEM MiB", "/host_memory_bytes", "/memory_usage_bytes", true},
    Column{"OVERH MiB", "/overhead_memory_bytes", "", true},
    Column{"WORKL MiB", "/guest_ram_bytes/workload", "/memory_working_set_bytes", true},
    Column{"WORKLOAD%", "/per_second/cpu_seconds_total/workload", "/per_second/host_cpu_seconds_total", false},
    Column{"GUEST%", "/per_second/cpu_seconds_total/guest_system", "", false},
    Column{"SILENT%", "/per_second/cpu_seconds_total/guest_silent", "", false},
    Column{"EXITS%", "/per_second/cpu_seconds_total/vcpu_exits", "", false},
    Column{"VMM%", "/per_second/cpu_seconds_total/vmm", "", false},
    Column{"VIRTIOFS%", "/per_second/cpu_seconds_total/virtiofsd", "", false},
    Column{"SHIM%", "/per_second/cpu_seconds_total/shim", "", false},
    Column{"VHOST%", "/per_second/cpu_seconds_total/vhost", "", false},
    Column{"RESIDUAL%", "/per_second/cpu_seconds_total/residual", "", false},
    Column{"STEAL%", "/per_second/steal_seconds_total", "", false}};

std::string cell(const json& object, const char* path, bool memory) {
  constexpr double per_cent = 100;
  constexpr double mebibyte = 1048576;
  const std::optional<double> value = *path == '\0' ? std::nullopt : number(object, path);
  if (!value) return "-";
  return fmt::format("{:.1f}", memory ? *value / mebibyte : *value * per_cent);
}

// A name must not move the cursor, and has to be as wide as it has bytes.
std::string printable(std::string name, std::size_t width) {
  std::ranges::replace_if(
      name, [](unsigned char byte) { return byte < ' ' || byte > '~'; }, '?');
  return name.size() > width ? name.substr(0, width - 3) + "..." : name;
}

constexpr std::size_t name_width = 28;
constexpr std::size_t short_id = 12;

std::string pod_of(const json& sandbox) {
  const std::string pod = text(sandbox, "pod");
  return pod.empty() ? pod : text(sandbox, "namespace") + "/" + pod;
}

std::string name_of(const json& sandbox) {
  const std::string pod = pod_of(sandbox);
  return pod.empty() ? text(sandbox, "id").substr(0, short_id) : pod;
}

std::string sandbox_line(const json& sandbox) {
  std::string line = fmt::format("{:<{}}", printable(name_of(sandbox), name_width), name_width);
  const auto up = sandbox.find("guest_probe_up");
  line += fmt::format(" {:>5}", up != sandbox.end() && *up == true ? "up" : "down");
  for (const Column& column : columns) line += fmt::format(" {:>9}", cell(sandbox, column.of_sandbox, column.memory));
  return line;
}

std::string container_line(const json& container) {
  std::string name = text(container, "name");
  if (name.empty())
    name = container.value("pause", json(false)) == true ? "(pause)" : text(container, "id").substr(0, short_id);
  std::string line = fmt::format("  {:<{}} {:>5}", printable(name, name_width - 2), name_width - 2, "");
  for (const Column& column : columns) {
    const bool has_one = *column.of_container != '\0';
    line += fmt::format(" {:>9}", has_one ? cell(container, column.of_container, column.memory) : "");
  }
  return line;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// What the sandboxes are sorted by, one value after the other.
std::vector<const char*> values_of(SandboxOrder order) {
  switch (order) {
    case SandboxOrder::cpu: return {"/per_second/host_cpu_seconds_total"};
    case SandboxOrder::memory: return {"/host_memory_bytes"};
    case SandboxOrder::overhead: return {"/per_second/overhead_cpu_seconds_total", "/overhead_memory_bytes"};
    case SandboxOrder::name: break;
  }
  return {};
}

struct Sortable {
  std::vector<double> values;  // negative: the lowest first
  std::string name;
  std::string id;
  json* sandbox = nullptr;
  auto operator<=>(const Sortable&) const = default;  // NOLINT(modernize-use-nullptr): the generated comparison
};

}  // namespace

Result<json> parse_sandboxes(const std::string& text) {
  json document = json::parse(text, nullptr, false);
  const char* not_one = "this is not what host-probe serves at /api/sandboxes; see --address";
  if (!document.is_object()) return failure(not_one);
  const std::optional<double> version = number(document, "/version");
  if (!version) return failure(not_one);
  if (*version != sandboxes_version) {
    return failure(
        fmt::format("host-probe serves version {} of /api/sandboxes, this top knows version {}: use the top of "
                    "that host-probe",
                    *version, sandboxes_version));
  }
  if (!number(document, "/monotonic_seconds") || !is_list_of_objects(document, "sandboxes")) return failure(not_one);
  for (const json& sandbox : document["sandboxes"]) {
    if (!is_list_of_objects(sandbox, "containers")) return failure(not_one);
  }
  return document;
}

void add_rates(json& now, const json& earlier) {
  const double seconds = now["monotonic_seconds"].get<double>() - earlier["monotonic_seconds"].get<double>();
  const json none = json::object();
  const auto sandboxes = by_id(earlier["sandboxes"]);
  for (json& sandbox : now["sandboxes"]) {
    const auto before = sandboxes.find(text(sandbox, "id"));
    const bool known = before != sandboxes.end() && seconds > 0;
    add_rates_of(sandbox, known ? *before->second : none, seconds);
    const auto containers = known ? by_id((*before->second)["containers"]) : std::map<std::string, const json*>();
    for (json& container : sandbox["containers"]) {
      const auto container_before = containers.find(text(container, "id"));
      add_rates_of(container, container_before != containers.end() ? *container_before->second : none, seconds);
    }
  }
}

void select_sandboxes(json& document, SandboxOrder order, const std::string& filter) {
  const std::string wanted = lower(filter);
  const std::vector<const char*> by = values_of(order);
  std::vector<Sortable> shown;
  for (json& sandbox : document["sandboxes"]) {
    std::string id = text(sandbox, "id");
    if (lower(pod_of(sandbox)).find(wanted) == std::string::npos && lower(id).find(wanted) == std::string::npos)
      continue;
    Sortable& entry = shown.emplace_back(Sortable{{}, name_of(sandbox), std::move(id), &sandbox});
    for (const char* value : by) entry.values.push_back(-number(sandbox, value).value_or(-1));
  }
  std::ranges::sort(shown);
  json sorted = json::array();
  for (const Sortable& entry : shown) sorted.push_back(std::move(*entry.sandbox));
  document["sandboxes"] = std::move(sorted);
}

std::string sandbox_table(const json& document, bool containers, TableSize size) {
  std::vector<std::string> lines;
  std::vector<std::size_t> starts;  // the line of each sandbox
  std::string head = fmt::format("{:<{}} {:>5}", "SANDBOX", name_width, "PROBE");
  for (const Column& column : columns) head += fmt::format(" {:>9}", column.title);
  lines.push_back(std::move(head));
  for (const json& sandbox : document["sandboxes"]) {
    starts.push_back(lines.size());
    lines.push_back(sandbox_line(sandbox));
    if (!containers) continue;
    for (const json& container : sandbox["containers"]) lines.push_back(container_line(container));
  }
  if (starts.empty()) lines.emplace_back("no sandbox");
  if (size.lines > 1 && lines.size() > size.lines) {
    lines.resize(size.lines - 1);
    const auto hidden = std::ranges::count_if(starts, [&](std::size_t start) { return start >= lines.size(); });
    lines.push_back(hidden > 0 ? fmt::format("{} more sandboxes: filter them, or sort by another column", hidden)
                               : "more containers: filter the sandboxes");
  }
  std::string table;
  for (std::string& line : lines) {
    if (size.columns > 0 && line.size() > size.columns) line.resize(size.columns);
    table += line + "\n";
  }
  return table;
}

}  // namespace katameter::host
