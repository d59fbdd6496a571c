#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/wire/container_id.h"

namespace katameter::host {

/// What the container runtime calls a sandbox. CRI runtimes make 64 lower-case hex digits; `ctr run` takes any id that
/// containerd allows (its package identifiers): letters and digits, in groups with one of `.`, `_`, `-` between two, 76
/// characters at most. So an id is a directory's name, a label's value and JSON text without further care.
class SandboxId {
 public:
  static constexpr std::size_t max_length = 76;

  /// The empty id, which no sandbox has.
  SandboxId() = default;
  /// The sandbox whose id is that of its pause container, as CRI runtimes have it.
  SandboxId(const ContainerId& id);  // NOLINT(google-explicit-constructor): each such id is a sandbox's, too

  /// Nothing unless containerd would take `text` as an id.
  static std::optional<SandboxId> from_text(std::string_view text);

  std::string_view text() const { return {text_.data(), length_}; }
  std::string string() const { return std::string(text()); }

  /// The id as CRI, bundles and guests have it; nothing if it is not 64 lower-case hex digits: no CRI runtime made it.
  std::optional<ContainerId> cri_id() const { return ContainerId::from_hex(text()); }

  bool operator==(const SandboxId& other) const { return text() == other.text(); }
  std::strong_ordering operator<=>(const SandboxId& other) const { return text() <=> other.text(); }

 private:
  std::array<char, max_length> text_{};
  std::uint8_t length_ = 0;
};

}  // namespace katameter::host
