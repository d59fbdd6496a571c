#include "guest-probe/server/listen_address.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>

namespace katameter::guest {
namespace {

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return failure("the socket path '" + path + "' must have 1 to " + std::to_string(sizeof(address.sun_path) - 1) +
                   " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> listen_on_vsock(const ListenAddress& listen_address) {
  Fd socket_fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_fd) {
    return system_failure("this guest has no vsock (load vmw_vsock_virtio_transport, or CONFIG_VIRTIO_VSOCKETS=y)");
  }
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = listen_address.port;
  if (bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    const int code = errno;
    const char* remedy = "";
    if (code == EADDRINUSE) {
      remedy =
          " (is guest-probe running already? Else another program in this guest has the port, and until guest-probe "
          "has "
          "it, nobody but that program answers the host: end it, or use a port below 1024, which takes a privilege, as "
          "--listen vsock:1000 here and --guest.port 1000 for host-probe)";
    } else if (code == EACCES) {
      remedy = " (a port below 1024 takes CAP_NET_BIND_SERVICE)";
    }
    return system_failure("cannot listen on " + listen_address.text + remedy, code);
  }
  if (listen(socket_fd.get(), 16) != 0) return system_failure("cannot listen on " + listen_address.text);
  return socket_fd;
}

Result<Fd> listen_on_unix(const ListenAddress& listen_address) {
  const Result<sockaddr_un> address = unix_address(listen_address.path);
  if (!address) return failure_from(address.error());
  std::error_code ignored;  // bind() says what is wrong with the folder
  std::filesystem::create_directories(std::filesystem::path(listen_address.path).parent_path(), ignored);

  Fd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_fd) return system_failure("cannot make a Unix socket");
  const auto* raw = reinterpret_cast<const sockaddr*>(&*address);
  if (bind(socket_fd.get(), raw, sizeof(*address)) != 0) {
    if (errno != EADDRINUSE) return system_failure("cannot listen on " + listen_address.text);
    if (connect_to(listen_address.path, 1)) {
      return failure("cannot listen on " + listen_address.text +
                     ": another program does (is guest-probe running already? stop it or choose another --listen)");
    }
    struct stat left_behind {};
    if (lstat(listen_address.path.c_str(), &left_behind) != 0 || !S_ISSOCK(left_behind.st_mode)) {
      return failure("cannot listen on " + listen_address.text + ": there is a file of that name that is not a socket");
    }
    unlink(listen_address.path.c_str());
    if (bind(socket_fd.get(), raw, sizeof(*address)) != 0) {
      return system_failure("cannot listen on " + listen_address.text);
    }
  }
  chmod(listen_address.path.c_str(), 0600);
  if (listen(socket_fd.get(), 16) != 0) return system_failure("cannot listen on " + listen_address.text);
  return socket_fd;
}

}  // namespace

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
  ListenAddress address;
  address.text = text;
  if (text.starts_with("unix:") && text.size() > 5) {
    address.path = text.substr(5);
    return address;
  }
  if (text.starts_with("vsock:")) {
    const std::string_view port = text.substr(6);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error == std::errc() && end == port.data() + port.size() && address.port != 0) return address;
  }
  return failure("'" + address.text + "' is not an address to listen on: use vsock:PORT or unix:PATH");
}

Result<Fd> listen_on(const ListenAddress& address) {
  return address.path.empty() ? listen_on_vsock(address) : listen_on_unix(address);
}

Result<Fd> connect_to(const std::string& path, int timeout_s) {
  const Result<sockaddr_un> address = unix_address(path);
  if (!address) return failure_from(address.error());
  Fd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return system_failure("cannot make a Unix socket");
  timeval timeout{};
  timeout.tv_sec = timeout_s;
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  if (connect(socket_fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    return system_failure("cannot connect to " + path);
  }
  return socket_fd;
}

}  // namespace katameter::guest
