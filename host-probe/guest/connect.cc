#include "host-probe/guest/connect.h"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "host-probe/bounded_read.h"

namespace katameter::host {
namespace {

bool is_ok_line(std::string_view line) {
  if (!line.starts_with("OK ") || line.size() == 3) return false;
  return std::all_of(line.begin() + 3, line.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<Fd> connect_path(const std::string& path, const std::string& shown) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return failure(shown + " is too long for a socket address");
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_failure("cannot make a socket");
  // A Unix socket connects at once or not at all (EAGAIN: the listener's queue is full): there is no EINPROGRESS.
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return system_failure("cannot connect to " + shown);
  }
  return socket;
}

// Enough for the longest command line of a VMM; never more is read of what claims to be one.
constexpr std::size_t max_file_bytes = 128 * 1024;
constexpr std::chrono::milliseconds max_wait{100};

/// The number that `text` begins with, if there is nothing but white space or one of `ends` after it.
std::optional<std::uint32_t> number(std::string_view text, std::string_view ends) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  if (end != text.data() + text.size() && ends.find(*end) == std::string_view::npos) return std::nullopt;
  return value;
}

Result<std::uint32_t> vmm_of(const std::string& directory, const FindVmm& find_vmm) {
  const std::string path = directory + "/pid";
  auto text = read_file_within(max_wait, path, max_file_bytes);
  if (!text) {
    const auto found = text.error().code == ENOENT && find_vmm ? find_vmm() : std::nullopt;
    if (found) return *found;
    return failure_from(std::move(text.error()), "the guest's CID is not known");
  }
  if (text->empty()) return system_failure(path + " holds no process id", EAGAIN);
  const auto pid = number(*text, "\n");
  if (!pid || *pid == 0) return failure(path + " holds no process id");
  return *pid;
}

/// A user may write any process id into a directory of their own: not one of another user's, whose guest it would be.
bool may_speak_for(const std::string& directory, std::uint32_t pid) {
  struct stat of_directory {};
  struct stat of_process {};
  if (stat(directory.c_str(), &of_directory) != 0) return false;
  if (of_directory.st_uid == 0 || stat(("/proc/" + std::to_string(pid)).c_str(), &of_process) != 0) return true;
  return of_process.st_uid == of_directory.st_uid;
}

}  // namespace

std::size_t Handshake::take(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ == State::waiting) {
    const char byte = bytes[taken++];
    if (byte == '\n') {
      state_ = is_ok_line(line_) ? State::done : State::refused;
    } else if (line_.size() + 1 == max_line) {
      state_ = State::refused;
    } else {
      line_ += byte;
    }
  }
  return taken;
}

Result<Fd> connect_guest(const GuestAddress& address) {
  if (address.reach == Reach::hybrid) return connect_unix(address.directory, address.socket);
  return connect_by_cid(address.directory, address.find_vmm, address.port);
}

Status look_for_vmm(const GuestAddress& address) {
  if (address.reach == Reach::hybrid) {
    const auto connected = connect_unix(address.directory, address.socket);
    return connected ? Status() : failure_from(connected.error());
  }
  const auto cid = guest_cid(address.directory, address.find_vmm);
  return cid ? Status() : failure_from(cid.error());
}

Result<Fd> connect_unix(const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  if (path.size() < sizeof(sockaddr_un::sun_path)) return connect_path(path, path);
  const Fd opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return system_failure("cannot open " + directory);
  return connect_path("/proc/self/fd/" + std::to_string(opened.get()) + "/" + name, path);
}

std::optional<std::uint32_t> guest_cid_in(std::string_view command_line) {
  using namespace std::string_view_literals;
  constexpr std::string_view key = ",guest-cid=";
  const std::size_t at = command_line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const auto cid = number(command_line.substr(at + key.size()), ",\0"sv);
  if (!cid || *cid <= VMADDR_CID_HOST || *cid == VMADDR_CID_ANY) return std::nullopt;
  return cid;
}

Result<std::uint32_t> guest_cid(const std::string& directory, const FindVmm& find_vmm) {
  const auto pid = vmm_of(directory, find_vmm);
  if (!pid) return failure_from(pid.error());
  const std::string process = "process " + std::to_string(*pid) + ", the VMM of " + directory + ",";
  if (!may_speak_for(directory, *pid)) return failure(process + " is not of the user whose directory that is");
  auto command_line = read_file_within(max_wait, "/proc/" + std::to_string(*pid) + "/cmdline", max_file_bytes);
  if (!command_line && command_line.error().code == ETIMEDOUT)
    return failure_from(command_line.error(), "the guest's CID is not known");
  if (!command_line) return system_failure(process + " is not there, or /proc hides it", ESRCH);
  // It is empty during execve(), and of a process that has ended.
  if (command_line->empty()) return system_failure(process + " has no command line", EAGAIN);
  const auto cid = guest_cid_in(*command_line);
  if (!cid) return failure(process + " was given no guest-cid");
  return *cid;
}

Result<Fd> connect_by_cid(const std::string& directory, const FindVmm& find_vmm, std::uint32_t port) {
  const auto cid = guest_cid(directory, find_vmm);
  if (!cid) return failure_from(cid.error());
  Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    auto refused = system_failure("cannot make a vsock socket");
    if (refused.value().code == EPERM || refused.value().code == ENOSYS) {
      refused.value().text +=
          "; the container's seccomp profile has to allow AF_VSOCK, as the chart's own profile does";
    }
    return refused;
  }
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = *cid;
  address.svm_port = port;
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
    return system_failure("cannot connect to vsock CID " + std::to_string(*cid));
  }
  return socket;
}

}  // namespace katameter::host
