#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host-probe/merge/block_device_numbers.h"
#include "host-probe/merge/interface_names.h"
#include "host-probe/merge/oom_ledger.h"
#include "host-probe/merge/report.h"
#include "userspace/wire/messages.h"

namespace katameter {

/// What is known of one sandbox from its guest: the last good snapshot and what has to outlive it. Pure: the caller
/// gives the time.
class SandboxState {
 public:
  using Time = OomLedger::Time;

  /// A snapshot older than this is not told any more: the guest did not answer when it was asked.
  static constexpr std::chrono::milliseconds freshness{1000};

  /// With another boot id than before, the containers known so far have ended.
  void connected(const std::string& boot_id, Time now);
  /// A snapshot that the rules have let pass. A removed container that was listed before is not taken twice.
  void take_over(const wire::Snapshot& snapshot, Time now);
  /// The sandbox has ended; what remains to be told is in the ledger, and the host's own OOM kills as long.
  void end(Time now, HostOoms kills = {});

  /// Fills in host_ooms (of an ended one), containers, guest_cpu, guest_system_cpu, guest, interfaces, oom_kills and guest_up, the latter if the guest is connected and its snapshot
  /// fresh. A removed container is in the first report after its removal and in none after that.
  void report(SandboxReport& report, bool connected, Time now);

  /// Nothing is left to be told after end().
  bool forgotten(Time now);

 private:
  // What tells one removed container from another, cgroups of the same id included.
  using Listing = std::pair<ContainerId, std::array<wire::Figure, wire::container_figures.size()>>;
  static Listing listing_of(const wire::Container& container);

  void take_removed(const std::vector<wire::Container>& removed, Time now);
  void take_guest(const wire::Guest& guest);
  void take_interfaces(const std::vector<wire::Interface>& interfaces);

  std::string boot_id_;
  std::uint64_t boots_ = 0;
  std::uint64_t snapshots_ = 0;
  std::optional<Time> taken_at_;
  std::vector<wire::Container> living_;
  std::set<Listing> listed_removed_;     // by the last snapshot; sent again until it is acknowledged
  std::vector<wire::Container> finals_;  // last values that are still to be told
  std::optional<GuestCpu> guest_cpu_;
  std::optional<GuestSystemCpu> guest_system_cpu_;
  wire::Guest guest_;
  std::vector<wire::Interface> interfaces_;
  InterfaceNames interface_names_;
  BlockDeviceNumbers block_device_numbers_;
  OomLedger ooms_;
  HostOoms host_ooms_;
  Time host_ooms_until_{};
};

}  // namespace katameter
