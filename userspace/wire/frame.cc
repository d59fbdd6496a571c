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

void FrameReader::append(std::string_view bytes) {
  // Here and not in next(), so that many small frames in one read are not moved once for each.
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_.append(bytes);
}

Result<std::optional<std::string>> FrameReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (rest.empty()) {  // a host has one of these for each guest, and most of the time nothing in it
    std::string().swap(buffer_);
    taken_ = 0;
    return std::optional<std::string>();
  }
  if (rest.size() < header_bytes) return std::optional<std::string>();
  const std::size_t length = read_length(rest);
  if (length == 0 || length > max_bytes_) {
    return failure(fmt::format("a frame of {} bytes was announced, allowed are 1 to {}", length, max_bytes_));
  }
  if (rest.size() < header_bytes + length) return std::optional<std::string>();
  std::string payload(rest.substr(header_bytes, length));
  taken_ += header_bytes + length;
  return std::optional<std::string>(std::move(payload));
}

}  // namespace katameter::wire
