#include "host-probe/top/sandbox_rows.h"

#include <algorithm>
#include <optional>

namespace katameter {
namespace {

using Key = std::pair<std::string, std::map<std::string, std::string, std::less<>>>;

/// What a counter grew by in a second.
class Rates {
 public:
  Rates(const std::vector<TextSeries>& earlier, double seconds) : seconds_(seconds) {
    for (const TextSeries& series : earlier) before_.emplace(Key{series.name, series.labels}, series.value);
  }
  std::optional<double> of(const TextSeries& series) const {
    const auto found = before_.find(Key{series.name, series.labels});
    if (found == before_.end() || seconds_ <= 0) return std::nullopt;
    return std::max(0.0, series.value - found->second) / seconds_;
  }

 private:
  std::map<Key, double> before_;
  double seconds_;
};

// /kata/<sandbox>/<container>
std::pair<std::string, std::string> ids_of(const std::string& path) {
  constexpr std::string_view prefix = "/kata/";
  if (!path.starts_with(prefix)) return {};
  const std::size_t slash = path.find('/', prefix.size());
  if (slash == std::string::npos) return {};
  return {path.substr(prefix.size(), slash - prefix.size()), path.substr(slash + 1)};
}

struct Source {
  const char* metric;
  const char* figure;
  bool counter;
};

constexpr Source of_sandbox_cpu[] = {{"katameter_sandbox_host_cpu_seconds_total", "total", true},
                                     {"katameter_sandbox_overhead_cpu_seconds_total", "overhead", true},
                                     {"katameter_sandbox_steal_seconds_total", "steal", true}};
constexpr Source of_sandbox_memory[] = {{"katameter_sandbox_host_memory_bytes", "total", false},
                                        {"katameter_sandbox_overhead_memory_bytes", "overhead", false},
                                        {"katameter_sandbox_reclaimable_memory_bytes", "reclaimable", false}};
constexpr Source of_container[] = {{"container_cpu_usage_seconds_total", "cpu", true},
                                   {"katameter_container_host_cpu_seconds_total", "host_cpu", true},
                                   {"container_memory_usage_bytes", "memory", false},
                                   {"container_memory_working_set_bytes", "working_set", false}};

class Rows {
 public:
  Rows(const std::vector<TextSeries>& earlier, double seconds) : rates_(earlier, seconds) {}

  void take(const TextSeries& series) {
    if (const auto [sandbox, container] = ids_of(series.label("id")); !sandbox.empty()) {
      take_container(series, sandbox, container);
    } else if (const std::string& id = series.label("sandbox_id"); !id.empty()) {
      take_sandbox(series, id);
    }
  }
  std::vector<SandboxRow> take() && {
    std::vector<SandboxRow> all;
    for (auto& [id, row] : rows_) {
      // Of a sandbox that has ended only some counters are still told.
      if (!told_.contains(id)) continue;
      for (auto& [container, containers_row] : containers_[id]) row.containers.push_back(std::move(containers_row));
      row.id = id;
      all.push_back(std::move(row));
    }
    return all;
  }

 private:
  void take_sandbox(const TextSeries& series, const std::string& id) {
    SandboxRow& row = rows_[id];
    if (series.name == "katameter_guest_probe_up") {
      row.guest_up = series.value > 0;
      told_[id] = true;
    } else if (series.name == "katameter_sandbox_cpu_seconds_total") {
      if (const auto rate = rates_.of(series)) row.cpu[series.label("component")] = *rate;
    } else if (series.name == "katameter_sandbox_memory_bytes") {
      row.memory[series.label("component")] = series.value;
    } else if (series.name == "katameter_sandbox_guest_ram_bytes" && series.label("use") == "workload") {
      row.memory["workload"] = series.value;
    } else if (series.name == "katameter_sandbox_info" && !series.label("pod").empty()) {
      row.pod = series.label("namespace") + "/" + series.label("pod");
    }
    for (const Source& source : of_sandbox_cpu) put(series, source, row.cpu);
    for (const Source& source : of_sandbox_memory) put(series, source, row.memory);
  }
  void take_container(const TextSeries& series, const std::string& sandbox, const std::string& id) {
    for (const Source& source : of_container) {
      if (series.name != source.metric) continue;
      ContainerRow& container = containers_[sandbox][id];
      container.id = id;
      container.name = series.label("container").empty() ? id.substr(0, 12) : series.label("container");
      put(series, source, container.figures);
    }
  }
  void put(const TextSeries& series, const Source& source, std::map<std::string, double>& figures) const {
    if (series.name != source.metric) return;
    const auto value = source.counter ? rates_.of(series) : std::optional(series.value);
    if (value) figures[source.figure] = *value;
  }

  Rates rates_;
  std::map<std::string, SandboxRow> rows_;
  std::map<std::string, bool> told_;
  std::map<std::string, std::map<std::string, ContainerRow>> containers_;
};

}  // namespace

std::vector<SandboxRow> sandbox_rows(const std::vector<TextSeries>& earlier, const std::vector<TextSeries>& now,
                                     double seconds) {
  Rows rows(earlier, seconds);
  for (const TextSeries& series : now) rows.take(series);
  return std::move(rows).take();
}

}  // namespace katameter
