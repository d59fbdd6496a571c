#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace katameter {

/// The host's side of the hybrid vsock handshake: `CONNECT <port>\n` goes out in one write, then nothing until the
/// VMM has answered `OK <number>\n`. Pure: bytes in, state out.
class Handshake {
 public:
  enum class State { waiting, done, refused };

  /// What to send, in a single write: a VMM may read it byte by byte on its only vsock thread.
  static std::string request(std::uint32_t port) { return "CONNECT " + std::to_string(port) + "\n"; }

  /// For a connection that does not go through a VMM's socket: done from the start.
  static Handshake not_needed() {
    Handshake handshake;
    handshake.state_ = State::done;
    return handshake;
  }

  /// Takes what was read and returns how much of it belonged to the answer; the rest is the guest's.
  std::size_t take(std::string_view bytes);

  State state() const { return state_; }
  /// Nothing has been said so far. Closed like this, the VMM found nobody listening in the guest.
  bool untouched() const { return line_.empty() && state_ == State::waiting; }

 private:
  // "OK 4294967295\n" has 14; the VMMs' own buffer is 32.
  static constexpr std::size_t longest_line = 32;

  State state_ = State::waiting;
  std::string line_;
};

}  // namespace katameter
