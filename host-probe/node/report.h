#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "host-probe/accounting/cpu.h"
#include "host-probe/accounting/sandbox_accounting.h"
#include "host-probe/discovery/layout.h"
#include "host-probe/guest/drop_reason.h"
#include "host-probe/node/ended_containers.h"
#include "host-probe/pods/sandbox_names.h"
#include "host-probe/processes/process_source.h"
#include "host-probe/sandbox_id.h"
#include "userspace/wire/messages.h"

// What one collection has found: the values behind one answer to /metrics. Plain data, handed to another thread.
namespace katameter::host {

/// Who says what a guest's containers use.
enum class GuestSource { guest_probe, runtime };

/// The guest's part of a report: one accepted snapshot, or what the container runtime says of the containers of a guest
/// without guest-probe. All that a report takes from a guest's snapshots is in here and nowhere else, so that a guest that
/// is not believed is left out whole, by leaving out this object.
struct GuestView {
  GuestSource source = GuestSource::guest_probe;
  std::vector<wire::Container> containers;          // those that live, each id once, in their order
  std::vector<ContainerId> unlisted;                // live as well, and have no series: the runtime has not listed them
  std::map<ContainerId, std::int64_t> start_times;  // of `containers`, as far as known: unix time in seconds
  wire::Guest guest_wide;                           // values of the guest as a whole
  std::vector<wire::Interface> interfaces;          // each name once
  std::vector<wire::Disk> disks;                    // each number once
  std::vector<wire::Volume> volumes;                // each device, or mount point, once
  std::optional<GuestCpu> cpu;                      // absent if the guest does not report it
  std::optional<GuestSystemCpu> system_cpu;         // absent with cpu, or if the guest does not report it
  std::uint64_t run = 0;                            // cpu is to be compared with that of the same number only
  bool late = false;                                // answers an earlier collection than the report's
  std::int64_t age_seconds = 0;                     // of the snapshot when the report was made
};

/// What a container has written to its root file system, which is the host's.
struct WritableLayer {
  std::optional<std::uint64_t> bytes;
  std::optional<std::uint64_t> inodes;
};

/// What a guest says of itself in its Hello, fit for labels (guest_info()). Empty: it does not say it, or in a form that
/// is not passed on.
struct GuestInfo {
  std::string version;  // of guest-probe
  std::string kernel;   // as uname -r
  std::string missing;  // what its guest-probe cannot report there, separated by commas

  bool operator==(const GuestInfo&) const = default;
  bool operator<(const GuestInfo& other) const {
    return std::tie(version, kernel, missing) < std::tie(other.version, other.kernel, other.missing);
  }
};

struct SandboxReport {
  SandboxId id;
  std::shared_ptr<const SandboxPlace> place;       // where it was found; never null in a report of a Node
  std::shared_ptr<const SandboxNames> names;       // as far as known; null if nothing is
  bool ended = false;                              // the sandbox is gone; only what ended with it is still reported
  bool suspect = false;                            // its guest did a short while ago what no honest guest does
  std::shared_ptr<const GuestInfo> guest_info;     // of the last Hello; null without one, and of an ended sandbox
  std::optional<GuestView> guest;                  // absent if it has not answered, or is not believed
  std::map<ContainerId, WritableLayer> layers;     // of running containers, as far as the runtime says
  std::map<ContainerId, std::uint64_t> oom_kills;  // per container, those included that ended a short while ago
  std::uint64_t oom_events = 0;                    // received from this guest
  std::array<std::uint64_t, wire::oom_classes> oom_kills_by_class{};  // the same, by wire::OomClass
  std::array<std::uint64_t, drop_reasons> rejected{};                 // by DropReason
  std::optional<SandboxProcesses> processes;                          // absent if the host's values are
  std::optional<Account> account;                                     // absent with processes, or without a VMM
  HostOoms host_ooms;                            // by role, those included of a sandbox that ended a short while ago
  std::vector<EndedContainer> ended_containers;  // a short while ago; none of them is in `guest`
};

/// The report has values from guest-probe.
inline bool has_guest_probe(const SandboxReport& sandbox) {
  return sandbox.guest && sandbox.guest->source == GuestSource::guest_probe;
}

/// One of the ways in which a collection gets its values.
struct CollectorReport {
  double seconds = 0.0;
  bool success = false;
};

struct NodeReport {
  std::vector<SandboxReport> sandboxes;
  std::optional<KataPods> kata_pods;  // a minute old at most; absent if a runtime did not answer
  /// CPU time of all sandboxes that the node has or had since host-probe was started, by the runtime handler of their
  /// RuntimeClass. No value falls.
  std::map<std::string, CpuByComponent> cpu_by_handler;
  CollectorReport guests;         // asking them all; a success if each that could be asked answered in time
  CollectorReport processes;      // reading the host's, with the accounting; a success if they could be read
  double duration_seconds = 0.0;  // of this collection
  std::int64_t unix_seconds = 0;  // when it was made
  double monotonic_seconds = 0;   // the same by a clock that is never set
};

}  // namespace katameter::host
