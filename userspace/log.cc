#include "userspace/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace katameter {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: break;
  }
  return spdlog::level::err;
}

// KERN_DEBUG, KERN_INFO, KERN_WARNING, KERN_ERR of include/linux/kern_levels.h
class KernelLevel : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    switch (message.level) {
      case spdlog::level::trace:
      case spdlog::level::debug: out.push_back('7'); break;
      case spdlog::level::info: out.push_back('6'); break;
      case spdlog::level::warn: out.push_back('4'); break;
      default: out.push_back('3');
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return spdlog::details::make_unique<KernelLevel>(); }
};

// As JSON has it, which is also what a quoted value is in logfmt. What is not UTF-8 becomes U+FFFD: one name that a
// process in a guest chose must not make the line unreadable.
std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool needs_quotes(std::string_view text) {
  const auto is_plain = [](unsigned char c) { return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\'; };
  return text.empty() || !std::ranges::all_of(text, is_plain);
}

LogFormat format_of_log = LogFormat::plain;  // set before the first line, only read then

const char* pattern_of(LogFormat format) {
  switch (format) {
    case LogFormat::plain: break;
    case LogFormat::logfmt: return "time=%Y-%m-%dT%H:%M:%S.%e%z level=%l %v";
    case LogFormat::json: return R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";
  }
  return "%Y-%m-%dT%H:%M:%S.%e %l %v";
}

}  // namespace

void start_log(LogLevel level, LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>("katameter", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(to_spdlog(level));
  logger->set_pattern(pattern_of(format));
  format_of_log = format;
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(LogLevel level) {
  spdlog::default_logger_raw()->set_level(to_spdlog(level));
}

Status start_kernel_log(LogLevel level, std::string_view program) {
  try {
    auto logger =
        std::make_shared<spdlog::logger>("katameter", std::make_shared<spdlog::sinks::basic_file_sink_st>("/dev/kmsg"));
    logger->set_level(to_spdlog(level));
    logger->flush_on(spdlog::level::trace);  // one write is one line of the kernel's
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<KernelLevel>('K').set_pattern("<%K>" + std::string(program) + ": %l %v");
    logger->set_formatter(std::move(formatter));
    format_of_log = LogFormat::plain;
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return failure(error.what());
  }
  return {};
}

Result<LogLevel> parse_log_level(std::string_view name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "info") return LogLevel::info;
  if (name == "warning") return LogLevel::warning;
  if (name == "error") return LogLevel::error;
  return failure("unknown log level '" + std::string(name) + "': use debug, info, warning or error");
}

std::string log_text(LogFormat format, std::string_view message, const LogFields& fields) {
  std::string text;
  switch (format) {
    case LogFormat::plain: text = message; break;
    case LogFormat::logfmt: text = "msg=" + json_string(message); break;
    case LogFormat::json: text = "\"msg\":" + json_string(message); break;
  }
  for (const LogField& field : fields) {
    if (format == LogFormat::json) {
      text.append(",\"").append(field.key).append("\":").append(field.is_text ? json_string(field.value) : field.value);
    } else {
      text.append(" ").append(field.key).append("=").append(needs_quotes(field.value) ? json_string(field.value)
                                                                                      : field.value);
    }
  }
  return text;
}

void write_log(LogLevel level, std::string_view message, const LogFields& fields) {
  spdlog::default_logger_raw()->log(to_spdlog(level), log_text(format_of_log, message, fields));
}

bool log_enabled(LogLevel level) {
  return spdlog::default_logger_raw()->should_log(to_spdlog(level));
}

}  // namespace katameter
