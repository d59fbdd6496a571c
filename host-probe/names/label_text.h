#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace katameter::host {

/// Kubernetes allows 253 bytes for a pod; an image with registry, tag and digest may be longer.
inline constexpr std::size_t longest_label = 1024;

/// A name as a label's value: itself, or nothing if it is longer than any real name, not UTF-8 or has control
/// characters in it. Names come from the API server by way of the runtime; one that is broken must not break the
/// exposition.
std::string label_text(std::string_view name);

/// Well-formed UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace katameter::host
