#include "host-probe/pods/sandbox_names.h"

#include <algorithm>
#include <cstdint>

namespace katameter::host {
namespace {

struct Form {
  std::size_t bytes;
  std::uint32_t smallest;  // code points below it have a shorter form
  std::uint8_t mask;
  std::uint8_t lead;
};

constexpr Form forms[] = {
    {1, 0x0, 0x80, 0x00}, {2, 0x80, 0xe0, 0xc0}, {3, 0x800, 0xf0, 0xe0}, {4, 0x10000, 0xf8, 0xf0}};

/// The length of the character at the beginning of `text`; 0 if there is none.
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto* form = std::ranges::find_if(forms, [&](const Form& f) { return (byte(0) & f.mask) == f.lead; });
  if (form == std::end(forms) || text.size() < form->bytes) return 0;
  std::uint32_t code = byte(0) & static_cast<std::uint8_t>(~form->mask);
  for (std::size_t i = 1; i < form->bytes; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
    code = code << 6U | (byte(i) & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < form->smallest || surrogate || code > 0x10ffff ? 0 : form->bytes;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = character(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string label_text(std::string_view name) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (name.size() > max_label_bytes || std::ranges::any_of(name, control) || !is_utf8(name)) return {};
  return std::string(name);
}

KataPods count_kata_pods(const std::vector<RunningPod>& pods, const std::set<ContainerId>& found) {
  std::set<std::string_view> handlers_found;
  for (const RunningPod& pod : pods) {
    if (!pod.runtime_handler.empty() && found.contains(pod.id)) handlers_found.insert(pod.runtime_handler);
  }
  const auto seems_kata = [&](const RunningPod& pod) {
    return pod.runtime_handler.find("kata") != std::string::npos || handlers_found.contains(pod.runtime_handler) ||
           found.contains(pod.id);
  };
  KataPods count;
  for (const RunningPod& pod : pods) {
    if (!(pod.kata ? *pod.kata : seems_kata(pod))) continue;
    ++count.running;
    if (found.contains(pod.id)) ++count.found;
  }
  return count;
}

}  // namespace katameter::host
