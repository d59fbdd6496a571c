#pragma once

#include <span>
#include <string>

struct btf;

namespace katameter {

/// A short text that differs whenever one of these structures does: names, places and sizes of all members, those of
/// inner structures included. 16 hex digits.
std::string layout_of(const btf& types, std::span<const char* const> structures);

}  // namespace katameter
