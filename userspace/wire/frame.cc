#include "userspace/wire/frame.h"

#include <fmt/core.h>

#include <array>

namespace katameter::wire {
namespace {

constexpr std::size_t header_bytes = 4;

std::size_t read_length(std::string_view header) {
  std::size_t length = 0;
  for (const char byte : header.substr(0, header_bytes)) length = length << 8 | static_cast<unsigned char>(byte);
  return length;
}

}  // namespace

std::string frame(std::string_view payload) {
  std::string bytes;
  bytes.reserve(header_bytes + payload.size());
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(payload.size() >> shift & 0xff);
  bytes += payload;
  return bytes;
}

Result<std::optional<std::string>> FrameReader::next() {
  if (buffer_.size() < header_bytes) return std::optional<std::string>();
  const std::size_t length = read_length(buffer_);
  if (length == 0 || length > max_frame_bytes) {
    return failure(fmt::format("a frame of {} bytes was announced, allowed are 1 to {}", length, max_frame_bytes));
  }
  if (buffer_.size() < header_bytes + length) return std::optional<std::string>();
  std::string payload = buffer_.substr(header_bytes, length);
  buffer_.erase(0, header_bytes + length);
  return std::optional<std::string>(std::move(payload));
}

}  // namespace katameter::wire
