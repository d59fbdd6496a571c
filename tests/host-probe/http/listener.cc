#include "host-probe/http/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/support/http_get.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::http;
using namespace katameter::host::testing;
using namespace katameter::testing;

namespace {

std::string port_of(const Listener& listener) {
  return listener.name.substr(listener.name.rfind(':') + 1);
}

bool can_connect(const std::string& host, const std::string& port) {
  const bool v6 = host.find(':') != std::string::npos;
  sockaddr_storage to{};
  socklen_t size = 0;
  const auto number = htons(static_cast<std::uint16_t>(std::stoi(port)));
  if (v6) {
    auto* address = reinterpret_cast<sockaddr_in6*>(&to);
    *address = {.sin6_family = AF_INET6, .sin6_port = number, .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
    inet_pton(AF_INET6, host.c_str(), &address->sin6_addr);
    size = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&to);
    address->sin_family = AF_INET;
    address->sin_port = number;
    inet_pton(AF_INET, host.c_str(), &address->sin_addr);
    size = sizeof *address;
  }
  const Fd socket(::socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket && connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), size) == 0;
}

bool machine_has_ipv6() {
  const Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return socket && bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

TEST_CASE(":PORT and [::]:PORT serve IPv4 and IPv6") {
  const std::string address = GENERATE(":0", "[::]:0");
  const auto listeners = listen_on({address});
  INFO((listeners ? "" : listeners.error().text));
  REQUIRE(listeners);
  REQUIRE(listeners->size() == 1);
  const std::string port = port_of(listeners->front());
  CHECK(can_connect("127.0.0.1", port));
  CHECK(can_connect("::1", port) == machine_has_ipv6());
  CHECK(listeners->front().name == (machine_has_ipv6() ? "[::]:" : "0.0.0.0:") + port);
}

TEST_CASE("0.0.0.0 and [::] with one port are one for each family") {
  const auto probe = listen_on({":0"});
  REQUIRE(probe);
  const std::string port = port_of(probe->front());
  const_cast<Fd&>(probe->front().socket).reset();
  const auto both = listen_on({"0.0.0.0:" + port, "[::]:" + port});
  INFO((both ? "" : both.error().text));
  REQUIRE(both);
  CHECK(both->size() == (machine_has_ipv6() ? 2 : 1));
  CHECK(can_connect("127.0.0.1", port));
}

TEST_CASE("an address of one family serves that one alone") {
  const auto listeners = listen_on({"[127.0.0.1]:0", "127.0.0.2:0"});
  REQUIRE(listeners);
  REQUIRE(listeners->size() == 2);
  CHECK_THAT((*listeners)[0].name, Catch::StartsWith("127.0.0.1:"));
  CHECK_THAT((*listeners)[1].name, Catch::StartsWith("127.0.0.2:"));
  CHECK_FALSE(can_connect("127.0.0.2", port_of(listeners->front())));
}

TEST_CASE("a name is served on its addresses, and one that has none is an error") {
  const auto listeners = listen_on({"localhost:0"});
  REQUIRE(listeners);
  REQUIRE_FALSE(listeners->empty());
  const auto unknown = listen_on({"nothing.invalid:0"});
  REQUIRE_FALSE(unknown);
  CHECK_THAT(unknown.error().text, Catch::Contains("cannot resolve 'nothing.invalid'") &&
                                       Catch::Contains("choose an address of this machine"));
  const auto elsewhere = listen_on({"192.0.2.1:0"});
  REQUIRE_FALSE(elsewhere);
  CHECK_THAT(elsewhere.error().text, Catch::Contains("--web.listen-address"));
}

TEST_CASE("a socket of systemd is served, and its absence is an error") {
  const TemporaryDirectory folder;
  const auto opened = listen_on({"127.0.0.1:0"});
  REQUIRE(opened);
  Program program({"--run-root", folder.path(), "--state-file", "", "--web.systemd-socket"}, &opened->front().socket);
  const auto addresses = program.addresses();
  CHECK(addresses == std::vector<std::string>{opened->front().name});
  CHECK_THAT(http_get(addresses.at(0), "/metrics"), Catch::Contains("katameter_sandboxes 0"));
  program.stop(SIGTERM);
  CHECK(program.status() == 0);

  Program without({"--run-root", folder.path(), "--state-file", "", "--web.systemd-socket"});
  CHECK(without.status() == 1);
  CHECK_THAT(without.said(), Catch::Contains("systemd has passed no socket"));

  Program unused({"--run-root", folder.path(), "--state-file", "", "--web.listen-address", "127.0.0.1:0"},
                 &opened->front().socket);
  CHECK(unused.says("give --web.systemd-socket"));
}
