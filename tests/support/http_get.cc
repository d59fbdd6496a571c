#include "tests/support/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "userspace/fd.h"

namespace katameter::host::testing {

std::string http_ask(const std::string& address, const std::string& request) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 ||
      write(socket.get(), request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
    throw std::system_error(errno, std::generic_category(), address);
  }
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = read(socket.get(), buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

std::string http_get(const std::string& address, const std::string& path, const std::string& header) {
  return http_ask(address, "GET " + path + " HTTP/1.0\r\n" + header + "\r\n");
}

}  // namespace katameter::host::testing
