#include "tests/vm/kernel_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

namespace katameter::guest {
namespace {

// The value of "key=value," in a line; empty if it has none.
std::string value_of(const std::string& line, const std::string& key) {
  std::size_t start = line.find("," + key + "=");
  if (start == std::string::npos) start = line.find(":" + key + "=");
  if (start == std::string::npos) return {};
  start += key.size() + 2;
  return line.substr(start, line.find_first_of(",\n", start) - start);
}

}  // namespace

KernelLog::KernelLog() : log_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  REQUIRE(log_);
  // mm/oom_kill.c writes about ten kills in 5 s; those of a test before are not to use them up.
  sleep(6);
  REQUIRE(lseek(log_.get(), 0, SEEK_END) >= 0);
}

std::vector<LoggedKill> KernelLog::take_kills() {
  std::vector<LoggedKill> kills;
  std::array<char, 8192> record{};
  while (true) {
    const ssize_t size = read(log_.get(), record.data(), record.size());
    if (size < 0 && errno == EPIPE) continue;  // overwritten before it was read
    if (size <= 0) break;
    const std::string line(record.data(), static_cast<std::size_t>(size));
    if (line.find(";oom-kill:") == std::string::npos) continue;
    kills.push_back({value_of(line, "constraint"), value_of(line, "oom_memcg"), value_of(line, "task_memcg"),
                     static_cast<unsigned>(std::stoul(value_of(line, "pid")))});
  }
  REQUIRE(errno == EAGAIN);
  return kills;
}

}  // namespace katameter::guest
