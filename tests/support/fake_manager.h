#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "userspace/fd.h"

namespace katameter::host::testing {

/// Stands in for systemd: the socket that a service of Type=notify talks to. A Program that is started while it lives
/// finds it in its environment.
class FakeManager {
 public:
  /// With a watchdog time the service has to report within it.
  explicit FakeManager(std::chrono::microseconds watchdog = {});
  FakeManager(const FakeManager&) = delete;
  FakeManager& operator=(const FakeManager&) = delete;
  ~FakeManager();

  /// Reads messages until one has `line`; the message, or nothing if none comes for 10 s.
  std::string message_with(const std::string& line);
  /// All the messages that are read from now on within this time.
  std::vector<std::string> messages_of(std::chrono::milliseconds time);

 private:
  /// The next message, or nothing after this time.
  std::string next(std::chrono::milliseconds patience);

  katameter::testing::TemporaryDirectory folder_;
  Fd socket_;
};

}  // namespace katameter::host::testing
