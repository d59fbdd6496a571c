#include "host-probe/overhead/overhead_history.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace katameter::host {
namespace {

using nlohmann::json;

constexpr double most_cpus = 8192;  // NR_CPUS of the largest kernels

json to_json(const SandboxOverhead& sandbox) {
  return {{"handler", sandbox.handler},         {"first", sandbox.first},     {"last", sandbox.last},
          {"cpu_seconds", sandbox.cpu_seconds}, {"seconds", sandbox.seconds}, {"memory_bytes", sandbox.memory_bytes}};
}

/// Nothing but what take_up() can have made: whoever adds these up must not have to look.
Result<SandboxOverhead> from_json(const json& object) {
  for (const char* key : {"first", "last", "memory_bytes"}) {
    if (!object.at(key).is_number_unsigned()) return failure(std::string(key) + " is no whole number from 0 on");
  }
  SandboxOverhead sandbox;
  object.at("handler").get_to(sandbox.handler);
  object.at("first").get_to(sandbox.first);
  object.at("last").get_to(sandbox.last);
  object.at("cpu_seconds").get_to(sandbox.cpu_seconds);
  object.at("seconds").get_to(sandbox.seconds);
  object.at("memory_bytes").get_to(sandbox.memory_bytes);
  if (sandbox.first < 0 || sandbox.last < sandbox.first) return failure("a sandbox was last seen before it was first");
  if (sandbox.seconds < 0 || sandbox.cpu_seconds < 0 || sandbox.cpu_seconds > sandbox.seconds * most_cpus) {
    return failure("a sandbox used more CPU time than there can be");
  }
  return sandbox;
}

}  // namespace

Result<OverheadHistory> OverheadHistory::parse(const std::string& text) {
  try {
    const json document = json::parse(text);
    // Compared as what it is: a number in a file may be larger than any of ours.
    if (const json& found = document.at("version"); found != version) {
      const std::string its = found.is_number() ? "it has version " + found.dump() : "its version is no number";
      return failure(its + ", this program reads " + std::to_string(version));
    }
    OverheadHistory history;
    for (const auto& [id, object] : document.at("sandboxes").items()) {
      if (!ContainerId::from_hex(id)) return failure("'" + id + "' is no sandbox id");
      Result<SandboxOverhead> sandbox = from_json(object);
      if (!sandbox) return failure_from(std::move(sandbox.error()), id);
      history.sandboxes_.emplace(id, *std::move(sandbox));
    }
    return history;
  } catch (const json::exception& error) {
    return failure(error.what());
  }
}

std::string OverheadHistory::text() const {
  json sandboxes = json::object();
  for (const auto& [id, sandbox] : sandboxes_) sandboxes[id] = to_json(sandbox);
  return json{{"version", version}, {"sandboxes", std::move(sandboxes)}}.dump() + "\n";
}

void OverheadHistory::take_up(const NodeReport& report, const HandlerOf& handler_of) {
  const auto before = std::exchange(seen_, {});
  for (const SandboxReport& sandbox : report.sandboxes) {
    if (!sandbox.account || !sandbox.account->memory.overhead) continue;
    const std::string id = sandbox.id.hex();
    SandboxOverhead& history = sandboxes_[id];
    if (std::string handler = handler_of(sandbox); !handler.empty()) history.handler = std::move(handler);
    if (history.first == 0) history.first = report.unix_seconds;
    history.last = report.unix_seconds;
    const MemoryAccount& memory = sandbox.account->memory;
    history.memory_bytes =
        std::max(history.memory_bytes, *memory.overhead - std::min(*memory.overhead, memory.by_use->free));

    const Seen now{sandbox.account->cpu_overhead_ns, report.monotonic_seconds};
    const auto last = before.find(id);
    // A step that was not divided has none of the vCPUs' overhead in it.
    if (sandbox.account->divided && last != before.end() && now.at > last->second.at) {
      history.cpu_seconds += static_cast<double>(now.overhead_ns - last->second.overhead_ns) / 1e9;
      history.seconds += now.at - last->second.at;
    }
    seen_.emplace(id, now);
  }
  forget_oldest();
}

void OverheadHistory::forget_oldest() {
  std::map<std::string, std::vector<std::pair<std::int64_t, std::string>>> by_handler;
  for (const auto& [id, sandbox] : sandboxes_) by_handler[sandbox.handler].emplace_back(sandbox.last, id);
  for (auto& [handler, ids] : by_handler) {
    if (ids.size() <= longest_memory) continue;
    std::ranges::sort(ids);
    for (std::size_t i = 0; i < ids.size() - longest_memory; ++i) sandboxes_.erase(ids[i].second);
  }
}

}  // namespace katameter::host
