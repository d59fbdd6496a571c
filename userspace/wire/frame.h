#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/result.h"

namespace katameter::wire {

/// Largest payload that either side sends or takes, bytes. userspace/wire/codec.h says what fits.
constexpr std::size_t max_frame_bytes = std::size_t{5} << 20;
/// Largest payload that the guest takes of a host, whose messages have some ten numbers and texts.
constexpr std::size_t max_request_bytes = std::size_t{64} << 10;

/// The payload with its length in front (four bytes, big-endian).
std::string frame(std::string_view payload);

/// Cuts a stream of bytes into payloads. Holds at most one frame and what came behind it in the same read.
class FrameReader {
 public:
  FrameReader() = default;
  /// `max_bytes`: largest payload that is taken; max_frame_bytes unless given.
  explicit FrameReader(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Bytes as they were read; any amount.
  void append(std::string_view bytes);

  /// The next whole payload, nothing while it is incomplete, or an error after which the stream cannot be read any
  /// further (a length of 0 or beyond `max_bytes`): close it.
  Result<std::optional<std::string>> next();

  /// Bytes held that are not yet a whole frame; not 0 when the peer closed in mid-frame.
  std::size_t pending() const { return buffer_.size() - taken_; }

 private:
  std::size_t max_bytes_ = max_frame_bytes;
  std::string buffer_;
  std::size_t taken_ = 0;  // bytes at the front that were handed out
};

}  // namespace katameter::wire
