#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What one answer to a request for all interfaces contained.
struct Links {
  std::vector<wire::Interface> interfaces;
  std::vector<int> indices;      ///< of each of them: the kernel's number, which rises as interfaces are made
  std::uint64_t unreported = 0;  ///< interfaces that did not fit, or whose name the host would not take
  bool complete = false;         ///< the end of the answer has come
  bool has_stats = true;         ///< no interface came without its counters
};

/// The counters of the interfaces in this process's network namespace, which is that of the sandbox's containers.
/// They are the drivers' own (ndo_get_stats64), summed up on request: virtio_net keeps them per queue in a structure
/// of its module, where no BPF program could find them in every kernel. So they are asked for over rtnetlink
/// (RTM_GETLINK, IFLA_STATS64), through a socket that is opened once and needs no privilege.
class LinkStats {
 public:
  static Result<LinkStats> open();

  /// All interfaces but those that kubelet leaves out; two system calls. Of more than wire::max_interfaces, the oldest:
  /// the sandbox's own were there before any container could make more. Of some 2,800 no more are looked at, and the
  /// rest counts as one unreported. Errors: the socket's, or bytes that are not an answer to it.
  Result<Links> read();

 private:
  explicit LinkStats(Fd socket);
  Status ask();
  Result<Links> ask_and_take();
  Result<Links> take_answer();
  void throw_away_rest();

  Fd socket_;
  std::uint32_t sequence_ = 0;
  std::uint32_t filter_;     // RTEXT_FILTER_*
  bool unfinished_ = false;  // an answer was not taken to its end; until it is the kernel begins no other
};

/// Takes in one datagram of the answer to request `sequence`; what answers another one is skipped. An error if the
/// kernel refused or the bytes are not netlink messages.
Status parse_links(std::span<const std::byte> datagram, std::uint32_t sequence, Links& links);

/// Whether kubelet leaves an interface out (cAdvisor: loopback and the bridges' ends, by the beginning of the name).
bool is_left_out(std::string_view name);

}  // namespace katameter::guest
