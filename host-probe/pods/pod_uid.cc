#include "host-probe/pods/pod_uid.h"

#include <sys/stat.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "userspace/fd.h"

namespace katameter::host {
namespace {

using nlohmann::json;

constexpr std::size_t uid_length = 36;  // 8-4-4-4-12 hex digits

// In the form that the API has, or with an underscore for each dash.
std::optional<std::string> uid_of(std::string_view text) {
  if (text.size() != uid_length) return std::nullopt;
  const char dash = text[8];
  if (dash != '-' && dash != '_') return std::nullopt;
  std::string uid(text);
  for (std::size_t i = 0; i < uid.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool is_hex = (uid[i] >= '0' && uid[i] <= '9') || (uid[i] >= 'a' && uid[i] <= 'f');
    if (is_dash ? uid[i] != dash : !is_hex) return std::nullopt;
    if (is_dash) uid[i] = '-';
  }
  return uid;
}

// pod<uid>, or <more>-pod<uid>.slice.
std::optional<std::string> uid_of_part(std::string_view part) {
  constexpr std::string_view slice = ".slice";
  constexpr std::string_view pod = "pod";
  if (part.ends_with(slice)) part.remove_suffix(slice.size());
  if (part.size() < pod.size() + uid_length) return std::nullopt;
  const std::string_view before = part.substr(0, part.size() - uid_length);
  if (!before.ends_with(pod)) return std::nullopt;
  const std::string_view parent = before.substr(0, before.size() - pod.size());
  return parent.empty() || parent.ends_with('-') ? uid_of(part.substr(before.size())) : std::nullopt;
}

}  // namespace

std::optional<std::string> pod_uid_in(std::string_view path, const ContainerId& sandbox) {
  if (path.find(sandbox.hex()) == std::string_view::npos) return std::nullopt;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find_first_of("/:"), path.size());
    if (auto uid = uid_of_part(path.substr(0, end))) return uid;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return std::nullopt;
}

std::string cgroup_path_in(std::string_view state) {
  const json parsed = json::parse(state, nullptr, false);
  const auto at = [](const json& object, std::initializer_list<const char*> keys) {
    const json* found = &object;
    for (const char* key : keys) {
      if (!found->is_object() || !found->contains(key)) return std::string();
      found = &(*found)[key];
    }
    return found->is_string() ? found->get<std::string>() : std::string();
  };
  std::string path = at(parsed, {"SandboxCgroupPath"});
  return path.empty() ? at(parsed, {"resource", "cgroup_state", "path"}) : path;
}

std::optional<std::string> KataState::pod_uid(const ContainerId& sandbox) const {
  for (const std::string& path : {run_root_ + "/vc/sbs/" + sandbox.hex() + "/persist.json",
                                  run_root_ + "/kata/" + sandbox.hex() + "/state.json"}) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    const Result<std::string> text = read_file(path, max_bytes + 1);
    if (!text || text->size() > max_bytes) continue;
    if (auto uid = pod_uid_in(cgroup_path_in(*text), sandbox)) return uid;
  }
  return std::nullopt;
}

}  // namespace katameter::host
