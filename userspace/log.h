#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

#include "userspace/result.h"

namespace katameter {

enum class LogLevel { debug, info, warning, error };

enum class LogFormat {
  plain,   ///< `time level message`
  logfmt,  ///< `time=... level=... msg="..."`
  json,    ///< one object a line, with the same keys
};

/// Sends log lines to stderr from `level` on. Call once, before the first line.
void start_log(LogLevel level, LogFormat format = LogFormat::plain);

/// Lines from `level` on, from here on. For any thread.
void set_log_level(LogLevel level);

/// The same to the kernel's log (/dev/kmsg), as `program: level message` at the kernel's own levels: for a guest in
/// which nobody reads stderr. An error where it cannot be opened; nothing has changed then.
Status start_kernel_log(LogLevel level, std::string_view program);

/// "debug", "info", "warning" or "error".
Result<LogLevel> parse_log_level(std::string_view name);

/// One finished line. Use the functions below.
void write_log(LogLevel level, std::string_view line);
bool log_enabled(LogLevel level);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) write_log(level, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warning, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::error, format, std::forward<Args>(args)...);
}

}  // namespace katameter
