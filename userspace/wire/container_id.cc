#include "userspace/wire/container_id.h"

#include <algorithm>

namespace katameter {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

// The values of hex_digits by character; of any other one that is no digit's.
constexpr std::uint8_t not_hex = 0xff;
constexpr auto hex_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(not_hex);
  for (std::size_t i = 0; i < hex_digits.size(); ++i) {
    values[static_cast<unsigned char>(hex_digits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

}  // namespace

std::optional<ContainerId> ContainerId::from_hex(std::string_view text) {
  ContainerId id;
  if (text.size() != 2 * id.bytes.size()) return std::nullopt;
  std::uint8_t all = 0;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    const std::uint8_t high = hex_values[static_cast<unsigned char>(text[2 * i])];
    const std::uint8_t low = hex_values[static_cast<unsigned char>(text[2 * i + 1])];
    all |= high | low;
    id.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return all < hex_digits.size() ? std::optional(id) : std::nullopt;
}

std::optional<ContainerId> ContainerId::from_bytes(std::string_view raw) {
  ContainerId id;
  if (raw.size() != id.bytes.size()) return std::nullopt;
  std::copy(raw.begin(), raw.end(), id.bytes.begin());
  return id;
}

std::string ContainerId::hex() const {
  std::string text(2 * bytes.size(), '0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text[2 * i] = hex_digits[bytes[i] >> 4];
    text[2 * i + 1] = hex_digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace katameter
