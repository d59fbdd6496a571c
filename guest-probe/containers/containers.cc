#include "guest-probe/containers/containers.h"

#include <array>

namespace katameter {

std::optional<ContainerId> container_of_component(std::string_view component) {
  constexpr std::array<std::string_view, 4> prefixes{"cri-containerd-", "crio-", "docker-", "libpod-"};
  constexpr std::string_view suffix = ".scope";
  if (component.ends_with(suffix)) component.remove_suffix(suffix.size());
  for (const std::string_view prefix : prefixes) {
    if (component.starts_with(prefix)) {
      component.remove_prefix(prefix.size());
      break;
    }
  }
  return ContainerId::from_hex(component);
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

}  // namespace katameter
