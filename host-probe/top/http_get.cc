#include "host-probe/top/http_get.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "userspace/fd.h"

namespace katameter {
namespace {

Result<Fd> connect_to(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return failure("'" + address + "' is not IP:PORT");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) {
    return failure("'" + address + "' is not IP:PORT");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> target(found, freeaddrinfo);
  Fd socket(::socket(target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return system_failure("cannot make a socket");
  const timeval limit{5, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(socket.get(), target->ai_addr, target->ai_addrlen) != 0) {
    return system_failure("cannot reach host-probe on " + address);
  }
  return socket;
}

Result<std::string> read_all(const Fd& socket) {
  std::string text;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t bytes = recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return system_failure("no answer");
    if (bytes == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
}

}  // namespace

Result<std::string> http_get(const std::string& address, const std::string& path) {
  const Result<Fd> socket = connect_to(address);
  if (!socket) return failure_from(socket.error());
  // 1.0: the answer is not cut into chunks, and ends with the connection.
  const std::string request = "GET " + path + " HTTP/1.0\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
  if (send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return system_failure("cannot ask " + address);
  }
  Result<std::string> answer = read_all(*socket);
  if (!answer) return failure_from(answer.error(), "http://" + address + path);
  const std::size_t head = answer->find("\r\n\r\n");
  const std::string status = answer->substr(0, answer->find("\r\n"));
  if (head == std::string::npos || status.find(" 200") == std::string::npos) {
    return failure("http://" + address + path + " answers '" + status + "'");
  }
  return answer->substr(head + 4);
}

}  // namespace katameter
