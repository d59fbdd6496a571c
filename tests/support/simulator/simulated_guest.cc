#include "tests/support/simulator/simulated_guest.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "tests/support/simulator/figures.h"
#include "userspace/wire/codec.h"

namespace katameter::simulator {
namespace {

constexpr std::size_t read_bytes = 4096;
// A guest is never younger than this: the figures of its first second would all be 0.
constexpr std::chrono::seconds initial_uptime{60};

}  // namespace

Result<std::unique_ptr<SimulatedGuest>> SimulatedGuest::create(EventLoop& loop, const std::string& directory,
                                                               std::uint64_t number, const Load& load) {
  const std::string path = directory + "/clh.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return failure("a socket's path cannot be so long: " + path + "; choose a shorter --run-root");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return system_failure("cannot make a socket");
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), 8) != 0) {
    return system_failure("cannot listen on " + path);
  }
  std::unique_ptr<SimulatedGuest> guest(new SimulatedGuest(loop, std::move(listener), number, load));
  Status watched = loop.watch(guest->listener_, EPOLLIN, [self = guest.get()](std::uint32_t) { self->accept(); });
  if (!watched) return failure_from(std::move(watched.error()));
  return guest;
}

std::chrono::nanoseconds SimulatedGuest::boottime() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

SimulatedGuest::~SimulatedGuest() {
  close();
  loop_.unwatch(listener_);
}

void SimulatedGuest::accept() {
  Fd accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted) return;
  close();
  connection_ = std::move(accepted);
  if (!loop_.watch(connection_, EPOLLIN, [this](std::uint32_t events) { ready(events); })) close();
}

void SimulatedGuest::close() {
  if (!connection_) return;
  loop_.unwatch(connection_);
  connection_.reset();
  open_ = introduced_ = false;
  line_.clear();
  unsent_.clear();
  frames_ = {};
}

void SimulatedGuest::ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  if (connection_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive();
}

void SimulatedGuest::receive() {
  std::array<char, read_bytes> buffer;
  const ssize_t got = recv(connection_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return close();
  const std::string bytes(buffer.data(), static_cast<std::size_t>(got));
  if (!open_) return take_connect_line(bytes);
  frames_.append(bytes);
  while (connection_) {
    const auto payload = frames_.next();
    if (!payload) return close();
    if (!*payload) return;
    const auto message = wire::decode_host_message(**payload);
    if (!message) return close();
    answer(*message);
  }
}

// Whoever asks sends nothing more before the answer, so what is behind the line is a mistake.
void SimulatedGuest::take_connect_line(const std::string& bytes) {
  line_ += bytes;
  const std::string expected = "CONNECT " + std::to_string(wire::default_port) + "\n";
  if (line_ != expected.substr(0, line_.size())) return close();
  if (line_ != expected || Clock::now() < booted_) return;
  open_ = true;
  unsent_ += "OK 1073741824\n";
  flush();
}

void SimulatedGuest::answer(const wire::HostMessage& message) {
  if (std::holds_alternative<wire::Hello>(message)) {
    wire::Hello hello;
    hello.version = KATAMETER_VERSION;
    hello.boot_id = "simulated-" + std::to_string(number_);
    hello.kernel = "5.10.0-simulated";
    hello.instance = "1";
    introduced_ = true;
    send(hello);
  } else if (const auto* collect = std::get_if<wire::Collect>(&message)) {
    ++collects_;
    const std::chrono::nanoseconds age = boottime() - born_;
    wire::Snapshot snapshot =
        figures_of(number_, load_.containers, initial_uptime + age, initial_uptime + (load_.idle ? age / 1000 : age));
    snapshot.request = collect->request;
    snapshot.sequence = ++sequence_;
    send(snapshot);
  }
}

void SimulatedGuest::send(const wire::GuestMessage& message) {
  unsent_ += wire::frame(wire::encode(message));
  flush();
}

void SimulatedGuest::flush() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(connection_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return close();
    if (sent < 0) break;
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
  // Fails only for a descriptor that is not watched, and this one is.
  static_cast<void>(loop_.rewatch(connection_, unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT));
}

}  // namespace katameter::simulator
