#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/loop.h"
#include "userspace/fd.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

namespace katameter::host::testing {

/// A VMM's hybrid vsock socket with a guest-probe behind it, on a real Unix socket. Well-behaved unless the test asks for else.
class FakeGuest {
 public:
  FakeGuest(Loop& loop, const std::filesystem::path& socket);
  ~FakeGuest();
  FakeGuest(const FakeGuest&) = delete;
  FakeGuest& operator=(const FakeGuest&) = delete;

  // How it behaves; may be changed at any time.
  std::string connect_answer = "OK 1073741824\n";
  bool closes_at_connect = false;
  bool closes_after_answer = false;  // to CONNECT
  bool one_byte_at_a_time = false;
  std::optional<wire::Hello> hello = wire::Hello();  // boot id "boot-1"
  std::function<std::optional<wire::Snapshot>(std::uint64_t request)> snapshot;
  std::vector<wire::OomEvent> events_after_hello;

  // What it has seen.
  int connections = 0;
  std::vector<std::string> connect_lines;   // one per connection, as read by the first read
  std::vector<wire::HostMessage> messages;  // of all connections
  template <typename Message>
  std::vector<Message> received() const {
    std::vector<Message> found;
    for (const auto& message : messages) {
      if (const auto* body = std::get_if<Message>(&message)) found.push_back(*body);
    }
    return found;
  }

  void send(const wire::GuestMessage& message);
  void send_bytes(const std::string& bytes);
  void close();
  bool open() const { return static_cast<bool>(connection_); }

 private:
  void accept();
  void receive();
  void answer_connect(const std::string& line);
  void answer(const wire::HostMessage& message);
  void trickle();

  Loop& loop_;
  std::filesystem::path socket_;
  Fd listener_;
  Fd connection_;
  bool connected_ = false;  // CONNECT was read
  wire::FrameReader frames_;
  std::string unsent_;
  TimerQueue::Timer next_byte_;
};

}  // namespace katameter::host::testing
