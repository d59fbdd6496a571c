#include "guest-probe/collect/network.h"

#include <fmt/core.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <memory>
#include <optional>

namespace katameter::guest {
namespace {

// An answer has a datagram for some ten interfaces and one for the end. Whoever has CAP_NET_ADMIN in the sandbox's network
// can make as many interfaces as there is memory for: beyond these, no CPU time goes into them.
constexpr int max_datagrams = 256;
constexpr int max_thrown_away = 1024;

// A structure of the kernel's at the front of `bytes`; nothing if they are too few.
template <typename T>
std::optional<T> front(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value{};
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// What follows an item of `size` bytes: items begin at multiples of four.
std::span<const std::byte> after(std::span<const std::byte> bytes, std::size_t size) {
  return bytes.subspan(std::min(bytes.size(), (size + 3) & ~std::size_t{3}));
}

wire::Interface make_interface(std::string name, const rtnl_link_stats64& stats) {
  wire::Interface link;
  link.name = std::move(name);
  link.receive_bytes = stats.rx_bytes;
  link.receive_packets = stats.rx_packets;
  link.receive_dropped = stats.rx_dropped + stats.rx_missed_errors;  // as /proc/net/dev has it
  link.receive_errors = stats.rx_errors;
  link.transmit_bytes = stats.tx_bytes;
  link.transmit_packets = stats.tx_packets;
  link.transmit_dropped = stats.tx_dropped;
  link.transmit_errors = stats.tx_errors;
  return link;
}

// Where the interface goes among those that are reported; null if it is not one of them.
wire::Interface* place_of(int index, Links& links) {
  if (links.interfaces.size() < wire::max_interfaces) {
    links.indices.push_back(index);
    return &links.interfaces.emplace_back();
  }
  ++links.unreported;
  const auto youngest = std::max_element(links.indices.begin(), links.indices.end());
  if (index >= *youngest) return nullptr;
  *youngest = index;
  return &links.interfaces[static_cast<std::size_t>(youngest - links.indices.begin())];
}

void take_link(std::span<const std::byte> message, Links& links) {
  const auto info = front<ifinfomsg>(message);
  std::string name;
  std::optional<rtnl_link_stats64> stats;
  std::span<const std::byte> attributes = after(message, sizeof(ifinfomsg));
  while (const auto attribute = front<rtattr>(attributes)) {
    if (attribute->rta_len < sizeof(rtattr) || attribute->rta_len > attributes.size()) break;
    const auto value = attributes.subspan(sizeof(rtattr), attribute->rta_len - sizeof(rtattr));
    if (attribute->rta_type == IFLA_IFNAME) {
      const auto* text = reinterpret_cast<const char*>(value.data());
      name.assign(text, strnlen(text, value.size()));
    }
    if (attribute->rta_type == IFLA_STATS64) {
      // The structure grows at its end: later kernels have more than we know, earlier ones less.
      rtnl_link_stats64 known{};
      std::memcpy(&known, value.data(), std::min(value.size(), sizeof(known)));
      stats = known;
    }
    attributes = after(attributes, attribute->rta_len);
  }
  if (!stats) links.has_stats = false;
  if (!info || name.empty() || !stats || is_left_out(name)) return;
  if (!wire::is_interface_name(name)) {
    ++links.unreported;
  } else if (wire::Interface* place = place_of(info->ifi_index, links)) {
    *place = make_interface(std::move(name), *stats);
  }
}

}  // namespace

bool is_left_out(std::string_view name) {
  constexpr std::array<std::string_view, 4> prefixes{"lo", "veth", "docker", "nerdctl"};
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) {
    return name.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), name.begin(), [](char a, char b) {
             return a == std::tolower(static_cast<unsigned char>(b));
           });
  });
}

Status parse_links(std::span<const std::byte> datagram, std::uint32_t sequence, Links& links) {
  while (!datagram.empty()) {
    const auto header = front<nlmsghdr>(datagram);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) {
      return failure("the kernel's answer about the interfaces is cut short");
    }
    const auto message = datagram.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr));
    datagram = after(datagram, header->nlmsg_len);
    if (header->nlmsg_seq != sequence) continue;
    if (header->nlmsg_type == NLMSG_DONE) {
      links.complete = true;
      return {};
    }
    if (header->nlmsg_type == NLMSG_ERROR) {
      const auto error = front<nlmsgerr>(message);
      return system_failure("the kernel does not list the interfaces", error ? -error->error : EPROTO);
    }
    if (header->nlmsg_type == RTM_NEWLINK) take_link(message, links);
  }
  return {};
}

// Without the filter the kernel sums up IPv6's own statistics of each interface, 36 of them over all possible CPUs.
LinkStats::LinkStats(Fd socket) : socket_(std::move(socket)), filter_(RTEXT_FILTER_SKIP_STATS) {}

Result<LinkStats> LinkStats::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return system_failure("cannot open a route socket");
  return LinkStats(std::move(socket));
}

Status LinkStats::ask() {
  struct Request {
    nlmsghdr header;
    ifinfomsg body;
    rtattr mask_header;
    std::uint32_t mask;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = ++sequence_;
  request.body.ifi_family = AF_UNSPEC;
  request.mask_header.rta_type = IFLA_EXT_MASK;
  request.mask_header.rta_len = RTA_LENGTH(sizeof(request.mask));
  request.mask = filter_;
  if (send(socket_.get(), &request, sizeof(request), 0) < 0) return system_failure("cannot ask for the interfaces");
  return {};
}

void LinkStats::throw_away_rest() {
  std::array<std::byte, 512> bytes{};
  for (int i = 0; i < max_thrown_away; ++i) {
    if (recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) < 0) return;
  }
}

Result<Links> LinkStats::read() {
  Result<Links> links = ask_and_take();
  if (!links || links->has_stats || filter_ == 0) return links;
  // 7.3 takes the filter to mean the interface's own counters, too.
  filter_ = 0;
  return ask_and_take();
}

Result<Links> LinkStats::ask_and_take() {
  if (unfinished_) throw_away_rest();
  unfinished_ = true;
  if (Status status = ask(); !status) return failure_from(status.error());
  Result<Links> links = take_answer();
  unfinished_ = !links || !links->complete;
  return links;
}

Result<Links> LinkStats::take_answer() {
  // One for a handful of interfaces and one for the end, which is a datagram of its own: one call. Not filled with
  // zeros, which would be pages that are never read.
  constexpr std::size_t bytes_each = 16384;
  constexpr std::size_t at_once = 2;
  const auto bytes = std::make_unique_for_overwrite<std::byte[]>(at_once * bytes_each);
  std::array<iovec, at_once> buffers{};
  std::array<mmsghdr, at_once> datagrams{};
  for (std::size_t i = 0; i < at_once; ++i) {
    buffers.at(i) = {.iov_base = bytes.get() + i * bytes_each, .iov_len = bytes_each};
    datagrams.at(i).msg_hdr.msg_iov = &buffers.at(i);
    datagrams.at(i).msg_hdr.msg_iovlen = 1;
  }
  Links links;
  for (int taken = 0; taken < max_datagrams && !links.complete; taken += static_cast<int>(at_once)) {
    // The kernel has put the answer there before send() returned, and goes on as it is taken.
    const int count = recvmmsg(socket_.get(), datagrams.data(), at_once, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (count < 0) return system_failure("cannot read the interfaces");
    for (std::size_t i = 0; i < static_cast<std::size_t>(count) && !links.complete; ++i) {
      const std::size_t size = datagrams.at(i).msg_len;
      if (size > bytes_each) return failure("an interface's description is too long");
      const std::span<const std::byte> datagram(bytes.get() + i * bytes_each, size);
      if (Status status = parse_links(datagram, sequence_, links); !status) return failure_from(status.error());
    }
  }
  if (!links.complete) ++links.unreported;
  return links;
}

}  // namespace katameter::guest
