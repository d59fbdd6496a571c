#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/account/containers.h"
#include "guest-probe/account/monotonic_by_cgroup.h"
#include "userspace/wire/container_id.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What only the tasks themselves have: how many processes a container has, when its oldest began, and which part of
/// the guest system's CPU time is whose.
class TaskAccount {
 public:
  /// Owners of the guest system's CPU time.
  enum class Owner { kernel, agent, probe };
  static constexpr std::size_t owners = 3;

  struct OfContainer {
    std::uint64_t processes = 0;                    ///< as cgroup.procs lists them, nested cgroups included
    std::optional<std::uint64_t> first_start_ns{};  ///< CLOCK_BOOTTIME at which the oldest of its tasks began
    std::uint32_t max_open_files = 0;               ///< of that one, its soft limit
    /// Open files of its processes, and those of them that are sockets; DESCRIPTORS_UNKNOWN: too many to read.
    std::uint64_t descriptors = 0;
    std::uint64_t sockets = 0;
    /// By THREAD_*: its threads that have not ended, nested cgroups included.
    std::array<std::uint64_t, THREAD_STATES> threads{};
  };

  explicit TaskAccount(std::uint32_t own_tgid) : own_tgid_(own_tgid) {}

  /// One walk: begin(), add() each record, then end().
  void begin();
  void add(const task_record& record);
  void end() { continue_usages(); }

  /// Of the last walk; by the kernfs id of the container's cgroup.
  OfContainer of_container(std::uint64_t cgroup_id) const;
  /// CPU time of an owner, ns: a counter. What a kernel thread or process used after the last walk that met it is in
  /// no owner's.
  std::uint64_t cpu_ns(Owner owner) const;

 private:
  struct Usage {
    std::uint32_t tgid = 0;
    Owner owner = Owner::kernel;
    std::uint64_t start_ns = 0;  // of the leader
    std::uint64_t cpu_ns = 0;
  };

  void add_container(const container_tasks& sums);
  std::optional<Owner> owner_of(const task_record& record) const;
  Usage& usage_of(const task_record& record, Owner owner);
  void continue_usages();

  std::uint32_t own_tgid_;
  std::unordered_map<std::uint64_t, OfContainer> containers_;
  std::vector<Usage> now_;
  std::vector<Usage> last_;  // by tgid
  std::array<std::uint64_t, owners> ended_ns_{};
};

/// Puts into a container's row what was counted of its tasks, as far as it is served.
void set_tasks(wire::Container& row, const TaskAccount::OfContainer& tasks, const FigureSet& served);

/// Run time, run-queue wait, switches, and calls of read(2) and write(2) per container: the kernel programs' sums, those
/// included of containers that are gone, for a task's last figures come when RCU is done with it. No figure falls.
class SchedAccount {
 public:
  /// One reading: begin(), add() each record, then end().
  void begin();
  void add(const sched_record& record) { sums_[record.container_id] = record; }
  /// `paths` are those of the living cgroups.
  void end(const CgroupPaths& paths);

  /// The sums of a removed cgroup are still those of its container.
  void removed(std::uint64_t cgroup_id, const ContainerId& container) { owners_.emplace(cgroup_id, container); }

  /// Puts what is known of the row's container into it, as far as it is served. A removed one gets the same values in each
  /// snapshot that has it.
  void complete(wire::Container& row, const FigureSet& served);

 private:
  using Counters = MonotonicByCgroup<SCHED_FIGURES, ContainerId>;
  using Sums = Counters::Counters;
  std::unordered_map<std::uint64_t, sched_record> sums_;
  std::unordered_map<std::uint64_t, ContainerId> owners_;  // of the cgroups that have sums
  Counters containers_;
  std::unordered_map<ContainerId, Sums> finals_;       // reported of removed containers
  std::unordered_map<ContainerId, Sums> last_finals_;  // in the snapshot before
};

}  // namespace katameter::guest
