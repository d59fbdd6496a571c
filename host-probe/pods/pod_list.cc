#include "host-probe/pods/pod_list.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

namespace katameter::host {
namespace {

using nlohmann::json;

// All keys that are read, at any depth. Most of a pod is something else (managedFields, environments, volumes), which would
// take some ten times its text while it is parsed.
constexpr std::array<std::string_view, 20> read_keys{"kind",
                                                     "items",
                                                     "metadata",
                                                     "namespace",
                                                     "name",
                                                     "uid",
                                                     "spec",
                                                     "runtimeClassName",
                                                     "containers",
                                                     "initContainers",
                                                     "ephemeralContainers",
                                                     "image",
                                                     "status",
                                                     "containerStatuses",
                                                     "initContainerStatuses",
                                                     "ephemeralContainerStatuses",
                                                     "containerID",
                                                     "lastState",
                                                     "terminated",
                                                     "handler"};

bool is_read(int /*depth*/, json::parse_event_t event, json& parsed) {
  if (event != json::parse_event_t::key) return true;
  return std::ranges::find(read_keys, std::string_view(parsed.get_ref<const std::string&>())) != read_keys.end();
}

const json& member(const json& object, const char* key) {
  static const json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

// Nothing in it unless it is an array.
const json& array_of(const json& object, const char* key) {
  static const json nothing = json::array();
  const json& found = member(object, key);
  return found.is_array() ? found : nothing;
}

std::string label_of(const json& object, const char* key) {
  const json& found = member(object, key);
  return found.is_string() ? label_text(found.get_ref<const std::string&>()) : std::string();
}

// As in containerd://ID, cri-o://ID.
std::optional<ContainerId> id_of(const json& status) {
  const json& found = member(status, "containerID");
  if (!found.is_string()) return std::nullopt;
  const std::string_view text = found.get_ref<const std::string&>();
  const std::size_t scheme = text.find("://");
  return scheme == std::string_view::npos ? std::nullopt : ContainerId::from_hex(text.substr(scheme + 3));
}

void read_containers(const json& pod, const char* specified, const char* statuses, ListedPod& listed) {
  std::map<std::string, std::string> images;
  for (const json& container : array_of(member(pod, "spec"), specified)) {
    images.emplace(label_of(container, "name"), label_of(container, "image"));
  }
  for (const json& status : array_of(member(pod, "status"), statuses)) {
    const std::string name = label_of(status, "name");
    const auto image = images.find(name);
    const SandboxNames::Container container{name, image != images.end() ? image->second : std::string()};
    if (name.empty()) continue;
    for (const json* of : {&status, &member(member(status, "lastState"), "terminated")}) {
      if (const auto id = id_of(*of)) listed.containers.emplace(*id, container);
    }
  }
}

Result<json> parse_list(std::string_view text, std::string_view kind) {
  json parsed;
  try {
    parsed = json::parse(text, is_read);
  } catch (const json::exception& error) {
    return failure(std::string("it is not valid JSON: ") + error.what());
  }
  const json& is = member(parsed, "kind");
  if (is != kind || !member(parsed, "items").is_array()) {
    // A list without anything in it may have `null` for its items.
    if (is == kind && member(parsed, "items").is_null()) return json::object();
    return failure("it is not a " + std::string(kind));
  }
  return parsed;
}

}  // namespace

Result<PodList> parse_pod_list(std::string_view text) {
  const Result<json> parsed = parse_list(text, "PodList");
  if (!parsed) return failure_from(parsed.error());
  PodList pods;
  for (const json& pod : array_of(*parsed, "items")) {
    const json& metadata = member(pod, "metadata");
    std::string uid = label_of(metadata, "uid");
    ListedPod listed{label_of(metadata, "namespace"),
                     label_of(metadata, "name"),
                     label_of(member(pod, "spec"), "runtimeClassName"),
                     {}};
    if (uid.empty() || listed.pod_namespace.empty() || listed.name.empty()) continue;
    read_containers(pod, "containers", "containerStatuses", listed);
    read_containers(pod, "initContainers", "initContainerStatuses", listed);
    read_containers(pod, "ephemeralContainers", "ephemeralContainerStatuses", listed);
    pods.insert_or_assign(std::move(uid), std::move(listed));
  }
  return pods;
}

Result<std::map<std::string, std::string>> parse_runtime_classes(std::string_view text) {
  const Result<json> parsed = parse_list(text, "RuntimeClassList");
  if (!parsed) return failure_from(parsed.error());
  std::map<std::string, std::string> handlers;
  for (const json& one : array_of(*parsed, "items")) {
    handlers.insert_or_assign(label_of(member(one, "metadata"), "name"), label_of(one, "handler"));
  }
  return handlers;
}

}  // namespace katameter::host
