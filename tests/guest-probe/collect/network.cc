#include "guest-probe/collect/network.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <thread>

#include "userspace/fd.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

using Bytes = std::vector<std::byte>;

void append(Bytes& bytes, const void* data, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), from, from + size);
  bytes.resize((bytes.size() + 3) & ~std::size_t{3});
}

void append_attribute(Bytes& bytes, unsigned short type, const void* data, std::size_t size) {
  rtattr attribute{};
  attribute.rta_type = type;
  attribute.rta_len = static_cast<unsigned short>(sizeof(attribute) + size);
  append(bytes, &attribute, sizeof(attribute));
  append(bytes, data, size);
}

Bytes message(unsigned short type, const Bytes& body, std::uint32_t sequence = 7) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(header) + body.size());
  header.nlmsg_type = type;
  header.nlmsg_seq = sequence;
  Bytes bytes;
  append(bytes, &header, sizeof(header));
  append(bytes, body.data(), body.size());
  return bytes;
}

Bytes link(const std::string& name, std::size_t stats_size = sizeof(rtnl_link_stats64), std::uint32_t sequence = 7,
           int index = 1) {
  rtnl_link_stats64 stats{};
  stats.rx_bytes = 1;
  stats.rx_packets = 2;
  stats.rx_dropped = 30;
  stats.rx_missed_errors = 3;
  stats.rx_errors = 4;
  stats.tx_bytes = 5;
  stats.tx_packets = 6;
  stats.tx_dropped = 7;
  stats.tx_errors = 8;
  Bytes body;
  ifinfomsg info{};
  info.ifi_index = index;
  append(body, &info, sizeof(info));
  append_attribute(body, IFLA_IFNAME, name.c_str(), name.size() + 1);
  Bytes padded(stats_size);
  std::memcpy(padded.data(), &stats, std::min(stats_size, sizeof(stats)));
  append_attribute(body, IFLA_STATS64, padded.data(), padded.size());
  return message(RTM_NEWLINK, body, sequence);
}

Bytes done() {
  const int status = 0;
  Bytes body;
  append(body, &status, sizeof(status));
  return message(NLMSG_DONE, body);
}

// Has the kernel make an interface in this thread's network.
bool add_bridge(const Fd& socket, const std::string& name) {
  Bytes kind;
  append_attribute(kind, IFLA_INFO_KIND, "bridge", 6);
  Bytes body;
  const ifinfomsg info{};
  append(body, &info, sizeof(info));
  append_attribute(body, IFLA_IFNAME, name.c_str(), name.size() + 1);
  append_attribute(body, IFLA_LINKINFO, kind.data(), kind.size());
  Bytes request = message(RTM_NEWLINK, body);
  nlmsghdr header{};
  std::memcpy(&header, request.data(), sizeof(header));
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
  std::memcpy(request.data(), &header, sizeof(header));
  if (send(socket.get(), request.data(), request.size(), 0) < 0) return false;
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } answer{};
  return recv(socket.get(), &answer, sizeof(answer), 0) > 0 && answer.error.error == 0;
}

Bytes operator+(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

TEST_CASE("An interface's counters are those of its 64-bit statistics") {
  Links links;
  REQUIRE(parse_links(link("eth0") + link("eth1"), 7, links));
  CHECK_FALSE(links.complete);
  REQUIRE(parse_links(done(), 7, links));
  CHECK(links.complete);
  REQUIRE(links.interfaces.size() == 2);
  const wire::Interface& first = links.interfaces[0];
  CHECK(first.name == "eth0");
  CHECK(first.receive_bytes == 1);
  CHECK(first.receive_packets == 2);
  CHECK(first.receive_dropped == 33);
  CHECK(first.receive_errors == 4);
  CHECK(first.transmit_bytes == 5);
  CHECK(first.transmit_packets == 6);
  CHECK(first.transmit_dropped == 7);
  CHECK(first.transmit_errors == 8);
}

TEST_CASE("Statistics of another kernel's length are taken as far as they go") {
  Links links;
  REQUIRE(parse_links(link("eth0", 16) + link("eth1", sizeof(rtnl_link_stats64) + 64), 7, links));
  REQUIRE(links.interfaces.size() == 2);
  CHECK(links.interfaces[0].receive_packets == 2);
  CHECK(links.interfaces[0].transmit_errors == 0);
  CHECK(links.interfaces[1].transmit_errors == 8);
}

TEST_CASE("An interface without counters is noticed, and has no row") {
  Bytes body;
  const ifinfomsg info{};
  append(body, &info, sizeof(info));
  append_attribute(body, IFLA_IFNAME, "eth0", 5);
  Links links;
  REQUIRE(parse_links(message(RTM_NEWLINK, body), 7, links));
  CHECK_FALSE(links.has_stats);
  CHECK(links.interfaces.empty());
  Links counted;
  REQUIRE(parse_links(link("eth0"), 7, counted));
  CHECK(counted.has_stats);
}

TEST_CASE("What kubelet leaves out is left out, and names that the host refuses are counted") {
  Links links;
  for (const char* name : {"lo", "veth12ab", "VETH1", "docker0", "nerdctl0"}) {
    REQUIRE(parse_links(link(name), 7, links));
    CHECK(is_left_out(name));
  }
  CHECK(links.interfaces.empty());
  CHECK(links.unreported == 0);
  CHECK_FALSE(is_left_out("eth0"));
  CHECK_FALSE(is_left_out("l"));
  REQUIRE(parse_links(link("\xc3\xa4th0") + link("a\"b"), 7, links));
  CHECK(links.interfaces.empty());
  CHECK(links.unreported == 2);
}

TEST_CASE("Of too many interfaces the oldest are reported, in whatever order they come") {
  const std::size_t most = wire::max_interfaces;
  for (const bool newest_first : {false, true}) {
    Links links;
    const std::size_t all = most + 5;
    for (std::size_t i = 0; i < all; ++i) {
      const auto index = static_cast<int>(newest_first ? all - i : i + 1);
      REQUIRE(parse_links(link("eth" + std::to_string(index), sizeof(rtnl_link_stats64), 7, index), 7, links));
    }
    CHECK(links.interfaces.size() == most);
    CHECK(links.unreported == 5);
    for (std::size_t i = 0; i < most; ++i) {
      CHECK(links.indices[i] <= static_cast<int>(most));
      CHECK(links.interfaces[i].name == "eth" + std::to_string(links.indices[i]));
    }
  }
}

TEST_CASE("Answers to another request are skipped, errors and cut answers are errors") {
  Links links;
  REQUIRE(parse_links(link("eth0", sizeof(rtnl_link_stats64), 6), 7, links));
  CHECK(links.interfaces.empty());

  nlmsgerr error{};
  error.error = -EBUSY;
  Bytes body;
  append(body, &error, sizeof(error));
  const Status refused = parse_links(message(NLMSG_ERROR, body), 7, links);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EBUSY);

  Bytes cut = link("eth0");
  cut.resize(cut.size() - 4);
  CHECK_FALSE(parse_links(cut, 7, links));
  CHECK_FALSE(parse_links(Bytes(5), 7, links));
}

TEST_CASE("No bytes break the parser of netlink messages") {
  std::mt19937 random(1);
  const Bytes whole = link("eth0") + link("eth1") + done();
  std::size_t taken = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes changed = whole;
    if (random() % 2 == 0) changed.resize(random() % (whole.size() + 1));
    for (int i = 0; i < 4 && !changed.empty(); ++i)
      changed[random() % changed.size()] = static_cast<std::byte>(random());
    Links links;
    if (parse_links(changed, 7, links)) taken += links.interfaces.size();
  }
  CHECK(taken > 1000);
}

TEST_CASE("This machine's interfaces can be asked for again and again") {
  Result<LinkStats> stats = LinkStats::open();
  REQUIRE(stats);
  for (int round = 0; round < 3; ++round) {
    const Result<Links> links = stats->read();
    REQUIRE(links);
    CHECK(links->complete);
  }
}

// In a network of its own: needs root.
TEST_CASE("However many interfaces there are, those that were there first are reported, again and again") {
  bool entered = false;
  std::thread([&] {
    entered = unshare(CLONE_NEWNET) == 0;
    if (!entered) return;
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    constexpr int all = 3100;
    for (int i = 0; i < all; ++i) REQUIRE(add_bridge(socket, "b" + std::to_string(i)));
    Result<LinkStats> stats = LinkStats::open();
    REQUIRE(stats);
    for (int round = 0; round < 3; ++round) {
      const Result<Links> links = stats->read();
      REQUIRE(links);
      CHECK(links->interfaces.size() == wire::max_interfaces);
      CHECK(links->unreported > 2000);
      CHECK(links->unreported <= all - wire::max_interfaces);
      const auto has_first = [](const wire::Interface& link) { return link.name == "b0"; };
      CHECK(std::any_of(links->interfaces.begin(), links->interfaces.end(), has_first));
    }
  }).join();
  if (!entered) WARN("not run: needs root, for a network of its own");
}
