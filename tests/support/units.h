#pragma once

#include <cstdint>

// What tests count in.
namespace katameter {

inline constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
/// Nanoseconds.
inline constexpr std::uint64_t ms = 1'000'000;
inline constexpr std::uint64_t second_ns = 1'000'000'000;

}  // namespace katameter
