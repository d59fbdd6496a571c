#pragma once

#include <fmt/core.h>

#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "userspace/result.h"

namespace katameter {

enum class LogLevel { debug, info, warning, error };

enum class LogFormat {
  plain,   ///< `time level message key=value ...`
  logfmt,  ///< `time=... level=... msg="..." key=value ...`
  json,    ///< one object a line, with the same keys
};

/// What a line is about, as a key and a value of its own beside the message. The same thing has the same key in every
/// line: `sandbox` and `container` are ids (64 hex), `error` is the text of an Error, `pid` a process. A message with
/// fields is constant, so that lines can be counted by it. Values may be anything, from a guest too: they are quoted
/// where they need it.
struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text), is_text(true) {}
  template <std::integral Number>
  LogField(std::string_view name, Number number) : key(name), value(fmt::format("{}", number)) {}

  std::string_view key;  ///< a literal of lower-case letters and `_`; not `time`, `level` or `msg`
  std::string value;
  bool is_text = false;  ///< else a number, which JSON writes without quotes
};
using LogFields = std::vector<LogField>;

/// Sends log lines to stderr from `level` on. Call once, before the first line.
void start_log(LogLevel level, LogFormat format = LogFormat::plain);

/// Lines from `level` on, from here on. For any thread.
void set_log_level(LogLevel level);

/// The same to the kernel's log (/dev/kmsg), as `program: level message` at the kernel's own levels: for a guest in
/// which nobody reads stderr. An error where it cannot be opened; nothing has changed then.
Status start_kernel_log(LogLevel level, std::string_view program);

/// "debug", "info", "warning" or "error".
Result<LogLevel> parse_log_level(std::string_view name);

/// What a line has after its time and level.
std::string log_text(LogFormat format, std::string_view message, const LogFields& fields);

/// One finished line. Use the functions below.
void write_log(LogLevel level, std::string_view message, const LogFields& fields = {});
bool log_enabled(LogLevel level);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) write_log(level, fmt::format(format, std::forward<Args>(args)...));
}
inline void log(LogLevel level, std::string_view message, const LogFields& fields) {
  if (log_enabled(level)) write_log(level, message, fields);
}

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, format, std::forward<Args>(args)...);
}
inline void log_debug(std::string_view message, const LogFields& fields) {
  log(LogLevel::debug, message, fields);
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, format, std::forward<Args>(args)...);
}
inline void log_info(std::string_view message, const LogFields& fields) {
  log(LogLevel::info, message, fields);
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warning, format, std::forward<Args>(args)...);
}
inline void log_warning(std::string_view message, const LogFields& fields) {
  log(LogLevel::warning, message, fields);
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::error, format, std::forward<Args>(args)...);
}
inline void log_error(std::string_view message, const LogFields& fields) {
  log(LogLevel::error, message, fields);
}

}  // namespace katameter
