#include "host-probe/transport/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace katameter {
namespace {

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

}  // namespace

Result<Fd> connect_unix(const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  if (path.size() < sizeof(sockaddr_un::sun_path)) return connect_path(path, path);
  const Fd opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return system_failure("cannot open " + directory);
  return connect_path("/proc/self/fd/" + std::to_string(opened.get()) + "/" + name, path);
}

}  // namespace katameter
