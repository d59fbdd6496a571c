#pragma once

#include <cstddef>

namespace katameter::testing {

/// Whether tests and programs are built with AddressSanitizer: then a program takes many times as long, and keeps what it
/// has freed for a while, so that bounds on what it costs mean nothing.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// That much, in KiB (quarantine_size_mb).
inline constexpr std::size_t quarantine_kb = sanitized ? 256 * 1024 : 0;

}  // namespace katameter::testing
