#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "host-probe/merge/account.h"
#include "host-probe/merge/start_times.h"
#include "host-probe/names/sandbox_names.h"
#include "host-probe/processes/process_source.h"
#include "host-probe/trust/drop_reason.h"
#include "userspace/wire/messages.h"

// What one collection has found: the values behind one answer to /metrics. Plain data, handed to another thread.
namespace katameter {

/// CPU time of the guest as its kernel counts it, split so that both parts together are all of it.
struct GuestCpu {
  std::uint64_t workload_ns = 0;
  std::uint64_t guest_system_ns = 0;
};

/// guest_system_ns by owner; all four together are all of it.
struct GuestSystemCpu {
  std::uint64_t kernel_ns = 0;
  std::uint64_t agent_ns = 0;
  std::uint64_t probe_ns = 0;
  std::uint64_t other_ns = 0;
};

struct SandboxReport {
  ContainerId id;
  std::shared_ptr<const SandboxNames> names;       // as far as known; null if nothing is
  bool ended = false;                              // the sandbox is gone; only `oom_kills` is still told
  bool guest_up = false;                           // its guest-probe answered this collection
  bool suspect = false;                            // it broke a rule of trust a short while ago
  std::vector<wire::Container> containers;         // each id once; empty unless guest_up
  std::uint64_t guest_boot = 0;                    // counts the boots of the guest that were seen
  std::uint64_t guest_snapshots = 0;               // counts the answers that were taken over
  std::optional<GuestCpu> guest_cpu;               // absent unless guest_up
  std::optional<GuestSystemCpu> guest_system_cpu;  // absent with guest_cpu, or if the guest does not tell
  HostStartTimes::Seconds start_times;             // of `containers`, as far as known
  wire::Guest guest;                               // the guest's own figures; all absent unless guest_up
  std::vector<wire::Interface> interfaces;         // each name once; empty unless guest_up
  std::map<ContainerId, std::uint64_t> oom_kills;  // per container, those included that ended a short while ago
  std::uint64_t oom_events = 0;                    // received from this guest
  std::array<std::uint64_t, wire::oom_classes> oom_kills_by_class{};  // the same, by wire::OomClass
  std::array<std::uint64_t, drop_reasons> rejected{};                 // by DropReason
  std::optional<SandboxProcesses> processes;                          // absent if the host's figures are
  std::optional<Account> account;                                     // absent with processes
  HostOoms host_ooms;  // by role, those included of a sandbox that ended a short while ago
};

/// One of the ways in which a collection gets its figures.
struct CollectorReport {
  double seconds = 0.0;
  bool success = false;
};

struct NodeReport {
  std::vector<SandboxReport> sandboxes;
  bool host_figures = false;      // the process figures could be read
  CollectorReport guests;         // asking them all; a success if each that could be asked answered in time
  CollectorReport processes;      // reading the host's, with the books
  double duration_seconds = 0.0;  // of this collection
  std::int64_t unix_seconds = 0;  // when it was made
  double monotonic_seconds = 0;   // the same by a clock that is never set
};

}  // namespace katameter
