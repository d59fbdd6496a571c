#include "host-probe/http/api.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "host-probe/metrics/figure_metrics.h"

namespace katameter::host {
namespace {

using Json = nlohmann::ordered_json;

enum class Unit { seconds, bytes, count };

void put(Json& object, const char* name, std::optional<std::uint64_t> value, Unit unit) {
  if (!value) return;
  // Times come in nanoseconds.
  object[name] = unit == Unit::seconds ? Json(static_cast<double>(*value) / 1e9) : Json(*value);
}

void put_text(Json& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}

// An object without members says nothing: it is left out, as a value that is not known.
void put_object(Json& object, const char* name, Json value) {
  if (!value.empty()) object[name] = std::move(value);
}

// Names are those of the metrics without container_ or katameter_container_; the unit is always in the name.
struct ContainerField {
  const char* name;
  wire::Figure wire::Container::*value;
  Unit unit;
};
constexpr auto container_fields = std::to_array<ContainerField>({
    {"cpu_usage_seconds_total", &wire::Container::cpu_usage_ns, Unit::seconds},
    {"cpu_cfs_periods_total", &wire::Container::cfs_periods, Unit::count},
    {"cpu_cfs_throttled_periods_total", &wire::Container::cfs_throttled_periods, Unit::count},
    {"memory_usage_bytes", &wire::Container::memory_usage_bytes, Unit::bytes},
    {"memory_working_set_bytes", &wire::Container::memory_working_set_bytes, Unit::bytes},
    {"memory_max_usage_bytes", &wire::Container::memory_peak_bytes, Unit::bytes},
    {"memory_rss_bytes", &wire::Container::memory_rss_bytes, Unit::bytes},
    {"memory_cache_bytes", &wire::Container::memory_cache_bytes, Unit::bytes},
});

// As the metric has it: the kernel's huge number for "no limit" is 0.
std::optional<std::uint64_t> memory_limit(const wire::Container& container) {
  const auto bytes = SeriesValue(metric::of_container[figure::memory_limit_bytes])(container);
  return bytes ? std::optional(static_cast<std::uint64_t>(*bytes)) : std::nullopt;
}

Json container_json(const SandboxReport& sandbox, const wire::Container& container) {
  Json object;
  object["id"] = container.id.hex();
  if (sandbox.names) {
    const auto named = sandbox.names->containers.find(container.id);
    if (named != sandbox.names->containers.end()) put_text(object, "name", named->second.name);
  }
  object["pause"] = sandbox.id == container.id;
  for (const ContainerField& field : container_fields) {
    put(object, field.name, container.*field.value, field.unit);
  }
  put(object, "memory_limit_bytes", memory_limit(container), Unit::bytes);
  if (sandbox.account) {
    const auto costs = sandbox.account->container_costs.find(container.id);
    if (costs != sandbox.account->container_costs.end()) {
      put(object, "host_cpu_seconds_total", at(costs->second, SharedCost::workload_cpu), Unit::seconds);
    }
  }
  const auto kills = sandbox.oom_kills.find(container.id);
  if (kills != sandbox.oom_kills.end()) put(object, "oom_events_total", kills->second, Unit::count);
  return object;
}

void add_account(Json& object, const Account& account) {
  Json cpu;
  for (std::size_t i = 0; i < cpu_components; ++i) {
    put(cpu, name(static_cast<CpuComponent>(i)), account.cpu_ns[i], Unit::seconds);
  }
  put(object, "host_cpu_seconds_total", account.cpu_total_ns, Unit::seconds);
  object["cpu_seconds_total"] = std::move(cpu);
  if (account.guest_known) {
    put(object, "overhead_cpu_seconds_total", account.cpu_overhead_ns, Unit::seconds);
    put(object, "steal_seconds_total", account.steal_ns, Unit::seconds);
  }
  put(object, "host_memory_bytes", account.memory.host_total(), Unit::bytes);
  put(object, "overhead_memory_bytes", account.memory.overhead, Unit::bytes);
  put(object, "reclaimable_memory_bytes", account.memory.reclaimable, Unit::bytes);
  const SandboxMemory& memory = account.memory.by_component;
  object["memory_bytes"] = {{"guest_ram", memory.guest_ram_bytes},
                            {"vmm", memory.vmm_bytes},
                            {"virtiofsd", memory.virtiofsd_bytes},
                            {"shim", memory.shim_bytes},
                            {"page_tables", memory.page_tables_bytes}};
  put(object, "cgroup_memory_bytes", memory.cgroup_bytes, Unit::bytes);
  if (!account.memory.by_use) return;
  const GuestRamUse& use = *account.memory.by_use;
  object["guest_ram_bytes"] = {
      {"workload", use.workload}, {"guest_system", use.guest_system}, {"free", use.free}, {"residual", use.residual}};
}

void add_processes(Json& object, const SandboxProcesses& processes) {
  Json cpu;
  for (const auto& [role, usage] : processes.cpu) put(cpu, name(role), usage.cpu_ns, Unit::seconds);
  put_object(object, "process_cpu_seconds_total", std::move(cpu));
}

Json sandbox_json(const SandboxReport& sandbox) {
  Json object;
  object["id"] = sandbox.id.text();
  if (sandbox.names) {
    put_text(object, "namespace", sandbox.names->pod_namespace);
    put_text(object, "pod", sandbox.names->pod);
    put_text(object, "runtime_handler", sandbox.names->runtime_handler);
  }
  object["guest_probe_up"] = has_guest_probe(sandbox);
  object["guest_protocol_violation"] = sandbox.suspect;
  if (sandbox.account) add_account(object, *sandbox.account);
  if (sandbox.processes) add_processes(object, *sandbox.processes);
  if (sandbox.guest && sandbox.guest->cpu) {
    Json cpu;
    put(cpu, "workload", sandbox.guest->cpu->workload_ns, Unit::seconds);
    put(cpu, "guest_system", sandbox.guest->cpu->guest_system_ns, Unit::seconds);
    object["guest_cpu_seconds_total"] = std::move(cpu);
  }
  Json& containers = object["containers"] = Json::array();
  if (!sandbox.guest) return object;
  for (const wire::Container& container : sandbox.guest->containers) {
    containers.push_back(container_json(sandbox, container));
  }
  return object;
}

// Names are valid UTF-8 (label_text()); a byte that is not must not cost the whole document.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ApiAnswer answer_sandboxes(const NodeReport* report) {
  Json head{{"version", sandboxes_version}};
  if (report == nullptr) {
    head["error"] = "the collection did not end in time: ask again, and see the log of host-probe";
    return {503, text_of(head) + "\n"};
  }
  head["unix_seconds"] = report->unix_seconds;
  head["monotonic_seconds"] = report->monotonic_seconds;
  // One sandbox at a time, so that a node of many never has all of them as objects at once.
  std::string text = text_of(head);
  text.pop_back();
  text += ",\"sandboxes\":[";
  const char* separator = "\n";
  for (const SandboxReport& sandbox : report->sandboxes) {
    // Of one that has ended only counters of kills are left.
    if (sandbox.ended) continue;
    text += separator;
    text += text_of(sandbox_json(sandbox));
    separator = ",\n";
  }
  text += "]}\n";
  return {200, std::move(text)};
}

}  // namespace katameter::host
