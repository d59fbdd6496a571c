#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "host-probe/top/sandbox_rows.h"

namespace katameter {
namespace {

using Figures = std::map<std::string, double>;

struct Column {
  const char* title;
  const char* figure;
  bool memory;
};

// The account as columns: CPU in per cent of one CPU, memory in MiB.
constexpr std::array columns{Column{"CPU%", "total", false},         Column{"WORKLOAD", "workload", false},
                             Column{"GUEST", "guest_system", false}, Column{"SILENT", "guest_silent", false},
                             Column{"EXITS", "vcpu_exits", false},   Column{"VMM", "vmm", false},
                             Column{"VIRTIOFS", "virtiofsd", false}, Column{"SHIM", "shim", false},
                             Column{"VHOST", "vhost", false},        Column{"RESIDUAL", "residual", false},
                             Column{"STEAL", "steal", false},        Column{"MEM MiB", "total", true},
                             Column{"WORKLOAD", "workload", true},   Column{"OVERHEAD", "overhead", true}};

std::string cell(const Figures& figures, const char* figure, double scale) {
  const auto found = figures.find(figure);
  return found == figures.end() ? "-" : fmt::format("{:.1f}", found->second * scale);
}

constexpr double per_cent = 100;
constexpr double per_mib = 1.0 / 1048576;

// Cut to the terminal's width; no column is wider than its characters.
void add_line(std::string& text, std::string line, std::size_t width) {
  if (width > 0 && line.size() > width) line.resize(width);
  text += line + "\n";
}

std::string name_of(const SandboxRow& row) {
  const std::string name = row.pod.empty() ? row.id.substr(0, 12) : row.pod;
  return name.size() > 28 ? name.substr(0, 25) + "..." : name;
}

std::string container_line(const ContainerRow& container) {
  std::string line = fmt::format("  {:<26.26}", container.name);
  for (const Column& column : columns) {
    std::string text;
    if (std::string_view(column.title) == "CPU%") text = cell(container.figures, "cpu", per_cent);
    if (std::string_view(column.title) == "MEM MiB") text = cell(container.figures, "memory", per_mib);
    if (std::string_view(column.figure) == "workload") {
      text = column.memory ? cell(container.figures, "working_set", per_mib)
                           : cell(container.figures, "host_cpu", per_cent);
    }
    line += fmt::format(" {:>9}", text);
  }
  return line;
}

}  // namespace

std::string sandbox_table(const std::vector<SandboxRow>& rows, bool containers, std::size_t width) {
  std::string text;
  std::string head = fmt::format("{:<28}", "SANDBOX");
  for (const Column& column : columns) head += fmt::format(" {:>9}", column.title);
  add_line(text, std::move(head), width);
  for (const SandboxRow& row : rows) {
    std::string line = fmt::format("{:<28}", name_of(row));
    for (const Column& column : columns) {
      line += fmt::format(
          " {:>9}", column.memory ? cell(row.memory, column.figure, per_mib) : cell(row.cpu, column.figure, per_cent));
    }
    if (!row.guest_up) line += "  (guest-probe not reached)";
    add_line(text, std::move(line), width);
    if (!containers) continue;
    for (const ContainerRow& container : row.containers) add_line(text, container_line(container), width);
  }
  if (rows.empty()) add_line(text, "no sandbox", width);
  return text;
}

std::string sandbox_json(const std::vector<SandboxRow>& rows) {
  nlohmann::json sandboxes = nlohmann::json::array();
  for (const SandboxRow& row : rows) {
    nlohmann::json containers = nlohmann::json::array();
    for (const ContainerRow& container : row.containers) {
      nlohmann::json entry = container.figures;
      entry["id"] = container.id;
      entry["name"] = container.name;
      containers.push_back(std::move(entry));
    }
    sandboxes.push_back({{"id", row.id},
                         {"pod", row.pod},
                         {"guest_up", row.guest_up},
                         {"cpu", row.cpu},
                         {"memory", row.memory},
                         {"containers", std::move(containers)}});
  }
  // A pod's name is the API server's to check; what is no UTF-8 must not stop the table.
  return nlohmann::json{{"sandboxes", std::move(sandboxes)}}.dump(2, ' ', false,
                                                                  nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace katameter
