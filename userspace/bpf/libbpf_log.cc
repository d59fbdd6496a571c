#include "userspace/bpf/libbpf_log.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "userspace/log.h"

namespace katameter {
namespace {

std::string* kept_warnings = nullptr;

std::string format_text(const char* format, std::va_list arguments) {
  char* text = nullptr;
  const int size = vasprintf(&text, format, arguments);
  if (size < 0) return {};
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  return {text, static_cast<std::size_t>(size)};
}

int take_line(libbpf_print_level level, const char* format, std::va_list arguments) {
  const bool keep = kept_warnings != nullptr && level == LIBBPF_WARN;
  if (!keep && !log_enabled(LogLevel::debug)) return 0;
  const std::string text = format_text(format, arguments);
  if (keep) *kept_warnings += text;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (!line.empty()) log_debug("{}", line);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return 0;
}

}  // namespace

void send_libbpf_to_log() {
  libbpf_set_print(take_line);
}

LibbpfWarnings::LibbpfWarnings() {
  kept_warnings = &text_;
}

LibbpfWarnings::~LibbpfWarnings() {
  kept_warnings = nullptr;
}

}  // namespace katameter
