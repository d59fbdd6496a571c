#include "host-probe/sandbox_id.h"

#include <algorithm>

namespace katameter::host {
namespace {

// Not isalnum(), which asks the locale.
bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_separator(char c) {
  return c == '.' || c == '_' || c == '-';
}

}  // namespace

SandboxId::SandboxId(const ContainerId& id) {
  const std::string hex = id.hex();
  std::copy(hex.begin(), hex.end(), text_.begin());
  length_ = static_cast<std::uint8_t>(hex.size());
}

std::optional<SandboxId> SandboxId::from_text(std::string_view text) {
  if (text.empty() || text.size() > max_length || is_separator(text.back())) return std::nullopt;
  bool after_separator = true;
  for (const char c : text) {
    if (!is_alphanumeric(c) && (after_separator || !is_separator(c))) return std::nullopt;
    after_separator = is_separator(c);
  }
  SandboxId id;
  std::copy(text.begin(), text.end(), id.text_.begin());
  id.length_ = static_cast<std::uint8_t>(text.size());
  return id;
}

}  // namespace katameter::host
