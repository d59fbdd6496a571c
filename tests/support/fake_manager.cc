#include "tests/support/fake_manager.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>

namespace katameter::host::testing {

using namespace std::chrono_literals;

FakeManager::FakeManager(std::chrono::microseconds watchdog)
    : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const std::string path = folder_.path() / "notify";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  REQUIRE(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);
  if (watchdog > 0us) setenv("WATCHDOG_USEC", std::to_string(watchdog.count()).c_str(), 1);
}

FakeManager::~FakeManager() {
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
}

std::string FakeManager::next(std::chrono::milliseconds patience) {
  pollfd wait{socket_.get(), POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return "";
  std::array<char, 4096> buffer{};
  const ssize_t bytes = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  return bytes > 0 ? "\n" + std::string(buffer.data(), static_cast<std::size_t>(bytes)) + "\n" : "";
}

std::string FakeManager::message_with(const std::string& line) {
  while (true) {
    const std::string message = next(10s);
    if (message.empty() || message.find("\n" + line + "\n") != std::string::npos) return message;
  }
}

std::vector<std::string> FakeManager::messages_of(std::chrono::milliseconds time) {
  std::vector<std::string> messages;
  const auto end = std::chrono::steady_clock::now() + time;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    std::string message = left > 0ms ? next(left) : "";
    if (message.empty()) return messages;
    messages.push_back(std::move(message));
  }
}

}  // namespace katameter::host::testing
