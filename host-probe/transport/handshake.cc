#include "host-probe/transport/handshake.h"

#include <algorithm>

namespace katameter {
namespace {

bool is_ok_line(std::string_view line) {
  if (!line.starts_with("OK ") || line.size() == 3) return false;
  return std::all_of(line.begin() + 3, line.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::size_t Handshake::take(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ == State::waiting) {
    const char byte = bytes[taken++];
    if (byte == '\n') {
      state_ = is_ok_line(line_) ? State::done : State::refused;
    } else if (line_.size() + 1 == longest_line) {
      state_ = State::refused;
    } else {
      line_ += byte;
    }
  }
  return taken;
}

}  // namespace katameter
