#include "guest-probe/account/containers.h"

#include <cstring>
#include <utility>

#include "bpf/guest/records.h"

namespace katameter::guest {

std::optional<ContainerId> container_of_component(std::string_view component) {
  constexpr std::string_view suffix = ".scope";
  constexpr std::string_view monitor = "conmon-";
  if (component.size() > CONTAINER_DIGITS && component.ends_with(suffix)) component.remove_suffix(suffix.size());
  if (component.size() < CONTAINER_DIGITS) return std::nullopt;
  const std::string_view prefix = component.substr(0, component.size() - CONTAINER_DIGITS);
  if (!prefix.empty() && (prefix.back() != '-' || prefix.ends_with(monitor))) return std::nullopt;
  return ContainerId::from_hex(component.substr(prefix.size()));
}

std::optional<ContainerPlace> container_of_path(std::string_view path) {
  std::size_t start = 0;
  while (start < path.size()) {
    std::size_t end = path.find('/', start);
    if (end == std::string_view::npos) end = path.size();
    if (const auto id = container_of_component(path.substr(start, end - start))) {
      const bool nested = path.find_first_not_of('/', end) != std::string_view::npos;
      return ContainerPlace{*id, nested};
    }
    start = end + 1;
  }
  return std::nullopt;
}

std::string printable(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  return result;
}

void CgroupPaths::learn(std::span<const name_record> names) {
  learned_.clear();
  std::vector<std::string> ancestors;  // paths from the root down to the last record's parent
  for (const name_record& record : names) {
    if (record.depth > ancestors.size()) continue;  // an orphan: its parent did not fit
    ancestors.resize(record.depth);
    std::string path = "/";
    if (record.depth > 0) {
      const std::string& parent = ancestors.back();
      const std::string_view name(record.name, strnlen(record.name, sizeof(record.name)));
      path = (parent == "/" ? parent : parent + "/") + printable(name);
    }
    ancestors.push_back(path);
    std::optional<ContainerId> container;
    if (record.id_begin != 0) container = ContainerId::from_hex({record.container, sizeof(record.container)});
    learned_.insert_or_assign(record.id, Learned{std::move(path), container});
  }
}

const std::string* CgroupPaths::find(std::uint64_t id) const {
  const auto found = learned_.find(id);
  return found == learned_.end() ? nullptr : &found->second.path;
}

std::optional<ContainerId> CgroupPaths::container_of(std::uint64_t id) const {
  const auto found = learned_.find(id);
  return found == learned_.end() ? std::nullopt : found->second.container;
}

void StartTimes::learn(std::span<const name_record> names) {
  before_ = std::exchange(times_, {});
  for (const name_record& record : names) {
    const auto known = before_.find(record.id);
    if (known != before_.end()) {
      times_.insert(*known);
    } else if (record.made_ns != 0) {
      times_.emplace(record.id, record.made_ns);
    }
  }
}

void StartTimes::guess(std::uint64_t cgroup_id, std::uint64_t ns) {
  times_.emplace(cgroup_id, ns);
}

std::optional<std::uint64_t> StartTimes::find(std::uint64_t cgroup_id) const {
  for (const Times* times : {&times_, &before_}) {
    if (const auto found = times->find(cgroup_id); found != times->end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace katameter::guest
