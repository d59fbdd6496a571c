#include "guest-probe/commands/container_state.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

namespace katameter::guest {
namespace {

bool belongs_in_an_id(char c) {
  return std::string_view("-_.+").find(c) != std::string_view::npos || (c >= '0' && c <= '9') ||
         (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

Result<std::string> container_in_state(std::string_view json) {
  // Only the outermost object's values are of interest; what is nested is not even kept.
  const auto flat = [](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) { return depth <= 1; };
  const nlohmann::json state = nlohmann::json::parse(json, flat, false);
  if (!state.is_object()) return failure("no container's state on stdin");
  const auto id = state.find("id");
  if (id == state.end() || !id->is_string()) return failure("a container's state without id on stdin");
  const std::string& name = id->get_ref<const std::string&>();
  if (name.empty() || name.size() > 256 || !std::all_of(name.begin(), name.end(), belongs_in_an_id)) {
    return failure("a container's state with an id that is none on stdin");
  }
  return name;
}

Result<std::string> read_state(int fd, std::size_t bytes, int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  std::string text;
  std::array<char, 16384> part{};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready == 0) return failure("stdin has no end");
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t size = ready < 0 ? -1 : read(fd, part.data(), part.size());
    if (size < 0) return system_failure("cannot read stdin");
    if (size == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(size));
    if (text.size() > bytes) return failure("more on stdin than a container's state can be");
  }
}

}  // namespace katameter::guest
