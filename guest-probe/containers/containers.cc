#include "guest-probe/containers/containers.h"

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

}  // namespace katameter::guest
