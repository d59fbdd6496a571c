#pragma once

#include <algorithm>
#include <string_view>

namespace katameter::wire {

/// Whether a name can be one of a network interface: 1 to 15 bytes as in the kernel (IFNAMSIZ, dev_valid_name), of
/// printable ASCII without blanks, '/', ':', and without the quotation mark and backslash, which the kernel would take.
inline bool is_interface_name(std::string_view name) {
  constexpr std::size_t longest = 15;
  if (name.empty() || name.size() > longest || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c <= '~' && c != '/' && c != ':' && c != '"' && c != '\\'; });
}

}  // namespace katameter::wire
