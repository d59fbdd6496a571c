#include "tests/support/fake_guest.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <stdexcept>

#include "userspace/wire/codec.h"

namespace katameter::host::testing {

FakeGuest::FakeGuest(Loop& loop, const std::filesystem::path& socket) : loop_(loop), socket_(socket) {
  hello->version = "9.9.9";
  hello->boot_id = "boot-1";
  hello->kernel = "5.10.0";
  listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Bound by way of its directory's descriptor, so that tests may use paths of any length.
  const Fd directory(::open(socket.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string path = "/proc/self/fd/" + std::to_string(directory.get()) + "/" + socket.filename().string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_.get(), 8) != 0 ||
      !loop_.events().watch(listener_, EPOLLIN, [this](std::uint32_t) { accept(); })) {
    throw std::runtime_error("cannot listen on " + socket.string());
  }
}

FakeGuest::~FakeGuest() {
  close();
  loop_.events().unwatch(listener_);
  std::error_code ignored;
  std::filesystem::remove(socket_, ignored);
}

void FakeGuest::close() {
  if (!connection_) return;
  loop_.events().unwatch(connection_);
  connection_.reset();
  next_byte_.cancel();
  unsent_.clear();
}

void FakeGuest::accept() {
  Fd accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted) return;
  close();
  connection_ = std::move(accepted);
  ++connections;
  connected_ = false;
  frames_ = {};
  if (!loop_.events().watch(connection_, EPOLLIN, [this](std::uint32_t) { receive(); })) close();
}

void FakeGuest::receive() {
  std::array<char, 4096> buffer;
  const ssize_t got = recv(connection_.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return close();
  const std::string bytes(buffer.data(), static_cast<std::size_t>(got));
  if (!connected_) return answer_connect(bytes);
  frames_.append(bytes);
  while (connection_) {
    const auto payload = frames_.next();
    if (!payload || !*payload) return;
    const auto message = wire::decode_host_message(**payload);
    if (!message) return close();
    messages.push_back(*message);
    answer(*message);
  }
}

void FakeGuest::answer_connect(const std::string& line) {
  connect_lines.push_back(line);
  connected_ = true;
  if (closes_at_connect) return close();
  send_bytes(connect_answer);
  if (closes_after_answer) close();
}

void FakeGuest::answer(const wire::HostMessage& message) {
  if (std::holds_alternative<wire::Hello>(message) && hello) {
    send(*hello);
    for (const wire::OomEvent& event : events_after_hello) send(event);
  }
  if (const auto* collect = std::get_if<wire::Collect>(&message); collect != nullptr && snapshot) {
    if (const auto made = snapshot(collect->request)) send(*made);
  }
}

void FakeGuest::send(const wire::GuestMessage& message) {
  send_bytes(wire::frame(wire::encode(message)));
}

void FakeGuest::send_bytes(const std::string& bytes) {
  if (one_byte_at_a_time) {
    const bool idle = unsent_.empty();
    unsent_ += bytes;
    if (idle) trickle();
    return;
  }
  if (::send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
    close();
}

void FakeGuest::trickle() {
  if (!connection_ || unsent_.empty()) return;
  if (::send(connection_.get(), unsent_.data(), 1, MSG_NOSIGNAL) != 1) return close();
  unsent_.erase(0, 1);
  next_byte_ = loop_.timers().after(std::chrono::microseconds(100), [this] { trickle(); });
}

}  // namespace katameter::host::testing
