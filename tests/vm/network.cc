#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "guest-probe/collect/guest_wide.h"
#include "tests/vm/daemon.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// By "tcp.activeopens", "tcpext.listendrops", "udp.indatagrams", "udp6.indatagrams"; "TCP.inuse" of sockstat likewise.
using Table = std::map<std::string, std::uint64_t>;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// Pairs of lines: "Tcp: NAME ...", "Tcp: VALUE ...".
void read_pairs(const char* path, Table& table) {
  std::ifstream file(path);
  for (std::string names, values; std::getline(file, names) && std::getline(file, values);) {
    std::istringstream keys(names);
    std::istringstream numbers(values);
    std::string prefix, key;
    std::int64_t value = 0;
    keys >> prefix;
    numbers >> prefix;
    prefix.pop_back();
    while (keys >> key && numbers >> value) table[lower(prefix + "." + key)] = static_cast<std::uint64_t>(value);
  }
}

// "TCP: inuse 3 orphan 0 ...".
void read_sockstat(const char* path, Table& table) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string prefix, key;
    std::uint64_t value = 0;
    words >> prefix;
    prefix.pop_back();
    while (words >> key >> value) table[prefix + "." + key] = value;
  }
}

Table read_network() {
  Table table;
  read_pairs("/proc/self/net/snmp", table);
  read_pairs("/proc/self/net/netstat", table);
  read_sockstat("/proc/self/net/sockstat", table);
  read_sockstat("/proc/self/net/sockstat6", table);
  std::ifstream of_ipv6("/proc/self/net/snmp6");
  std::string key;
  std::uint64_t value = 0;
  while (of_ipv6 >> key >> value) {
    if (key.starts_with("Udp6")) table["udp6." + lower(key.substr(4))] = value;
  }
  return table;
}

std::uint64_t shown(const Table& table, const GuestSource& source) {
  if (source.sockets) {
    const char* const keys[] = {"TCP.inuse", "TCP6.inuse", "UDP.inuse", "UDP6.inuse", "TCP.tw"};
    return table.at(keys[*source.sockets]);
  }
  const std::string name = lower(std::string(source.network));
  const std::string counter = name.substr(name.find("_mib_") + 5);
  if (name.starts_with("tcp_")) return table.at("tcp." + counter);
  if (name.starts_with("linux_")) return table.at("tcpext." + counter);
  const auto of_ipv6 = table.find("udp6." + counter);
  return table.at("udp." + counter) + (of_ipv6 == table.end() ? 0 : of_ipv6->second);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(const Fd& socket, std::uint16_t port) {
  const sockaddr_in address = loopback(port);
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

Fd bound(int type, std::uint16_t& port) {
  Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  REQUIRE(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  return socket;
}

// Connections that end in TIME_WAIT, are reset, are refused, and do not fit the queue of their listener.
void use_tcp(std::vector<Fd>& kept) {
  std::uint16_t port = 0;
  Fd listener = bound(SOCK_STREAM, port);
  REQUIRE(listen(listener.get(), 1) == 0);
  for (int i = 0; i < 5; ++i) {
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect_to(client, port) == 0);
    Fd server(accept(listener.get(), nullptr, nullptr));
    REQUIRE(send(client.get(), "x", 1, 0) == 1);
    // With data that was not read, the end is a reset.
    if (i < 3) {
      char byte = 0;
      REQUIRE(recv(server.get(), &byte, 1, 0) == 1);
      client.reset();
    }
    server.reset();
    if (i == 4) kept.push_back(std::move(client));
  }
  for (int i = 0; i < 6; ++i) {
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect_to(client, port);
    kept.push_back(std::move(client));
  }
  kept.push_back(std::move(listener));
  const Fd refused(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect_to(refused, 1) != 0);
}

// Datagrams that are received, that find no socket, and that find the receive buffer full.
void use_udp(std::vector<Fd>& kept) {
  std::uint16_t port = 0;
  Fd receiver = bound(SOCK_DGRAM, port);
  const int bytes = 1;
  REQUIRE(setsockopt(receiver.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0);
  const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto send_to = [&](std::uint16_t to) {
    const sockaddr_in address = loopback(to);
    const std::string payload(1000, 'x');
    sendto(sender.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&address),
           sizeof(address));
  };
  std::string room(2000, ' ');
  send_to(port);
  REQUIRE(recv(receiver.get(), room.data(), room.size(), 0) == 1000);
  for (int i = 0; i < 20; ++i) send_to(port);
  for (int i = 0; i < 3; ++i) send_to(1);
  kept.push_back(std::move(receiver));
}

}  // namespace

TEST_CASE("What TCP and UDP have counted is what snmp, snmp6, netstat and sockstat of the namespace say",
          "[any][guest]") {
  const Daemon daemon;
  const wire::Guest at_first = daemon.dump().snapshot.guest;
  std::vector<Fd> kept;
  use_tcp(kept);
  use_udp(kept);
  std::size_t compared = 0;
  std::size_t not_0 = 0;
  for (const GuestSource& source : guest_sources) {
    if (source.network.empty() && !source.sockets) continue;
    INFO(source.network << " " << source.sockets.value_or(-1));
    std::uint64_t before = 0;
    std::uint64_t after = 1;
    wire::Figure ours;
    // Again if it moved: SYNs are sent again meanwhile.
    for (int attempt = 0; attempt < 50 && before != after; ++attempt) {
      before = shown(read_network(), source);
      ours = daemon.dump().snapshot.guest.*source.figure;
      after = shown(read_network(), source);
    }
    REQUIRE(ours);
    CHECK(before == after);
    CHECK(*ours == before);
    ++compared;
    not_0 += *ours != 0 ? 1 : 0;
  }
  CHECK(compared >= 30);
  CHECK(not_0 >= 18);
  const wire::Guest guest = daemon.dump().snapshot.guest;
  CHECK(*guest.tcp_attemptfails >= *at_first.tcp_attemptfails + 1);
  CHECK(*guest.tcp_estabresets >= *at_first.tcp_estabresets + 1);
  CHECK(*guest.tcp_listenoverflows > *at_first.tcp_listenoverflows);
  CHECK(*guest.tcp_time_wait >= 3);
  CHECK(*guest.udp_received > *at_first.udp_received);
  CHECK(*guest.udp_no_port == *at_first.udp_no_port + 3);
  CHECK(*guest.udp_receive_buffer_full > *at_first.udp_receive_buffer_full);
  CHECK(*guest.udp_sockets == *at_first.udp_sockets + 1);
}
