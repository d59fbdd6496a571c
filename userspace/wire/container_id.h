#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace katameter {

/// A container or sandbox id: 32 bytes, written as 64 lower-case hex digits (the form CRI runtimes make).
struct ContainerId {
  std::array<std::uint8_t, 32> bytes{};

  /// Nothing unless `text` is exactly 64 lower-case hex digits.
  static std::optional<ContainerId> from_hex(std::string_view text);
  /// Nothing unless `raw` is exactly 32 bytes (the form on the wire).
  static std::optional<ContainerId> from_bytes(std::string_view raw);

  std::string hex() const;
  std::string_view raw() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

  auto operator<=>(const ContainerId&) const = default;  // NOLINT(modernize-use-nullptr): the check knows no <=>
};

}  // namespace katameter

template <>
struct std::hash<katameter::ContainerId> {
  // Ids are random: to fold one is enough, and a tenth of hashing its bytes.
  std::size_t operator()(const katameter::ContainerId& id) const noexcept {
    std::size_t folded = 0;
    for (std::size_t i = 0; i < id.bytes.size(); i += sizeof folded) {
      std::size_t word = 0;
      std::memcpy(&word, id.bytes.data() + i, sizeof word);
      folded = (folded ^ word) * 0x9e3779b97f4a7c15;  // by the golden ratio: those that differ in few bits go apart
    }
    return folded;
  }
};
