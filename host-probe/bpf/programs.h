#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/host/records.h"
#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter::host {

/// A name to look out for: processes whose comm begins with it; of a shim's also the file that it was started from has
/// to be Kata's.
struct WatchedName {
  std::string_view prefix;
  std::uint32_t kind;  ///< PROCESS_*
};

using KnownProcess = std::pair<process_key, process_record>;

/// The host's BPF programs, loaded and attached; they go when it goes. Holds descriptors and mappings only.
class HostPrograms {
 public:
  /// Loads and attaches, then looks at what runs already. `capacity`: processes of sandboxes at one time, those that
  /// ended since the last look included; the kernel's maps take some 520 bytes for each, from the start.
  static Result<HostPrograms> load(std::span<const WatchedName> names, std::uint32_t capacity);

  /// Readable when the command line of a new process waits.
  const Fd& exec_events() const { return exec_events_; }
  /// Hands every waiting command line to `consumer`.
  Status read_exec_events(const std::function<void(const exec_event&)>& consumer);

  /// Looks at what runs already: those of a watched name and those below shims that are not in the kernel's map are
  /// added.
  Status find_running();

  /// All processes that the kernel's map has; costs a few system calls.
  Result<std::vector<KnownProcess>> processes() const;

  /// Takes a process out of the kernel's map: it has ended, or belongs to no sandbox. Its children are not followed.
  void remove(const process_key& key);

  /// A process that was its shim's so far is one of its own, of this kind (PROCESS_*); what it has forked already is
  /// not.
  void make_root(const process_key& key, std::uint32_t kind);

  /// How many processes of this root, itself not counted, the kernel's map has: BPF counts on from there, up to
  /// CHILDREN_KEPT.
  void set_children(const process_key& root, std::uint32_t count);

  /// Reads one process now, in one system call that copies nothing. Valid until the next reading.
  Result<const process_reading*> read(const process_key& key);

  /// Makes sure that what `cpu` counts for itself is read; false while it is not online.
  Result<bool> learn_cpu(int cpu);
  /// CPUs that the kernel has per-CPU variables for.
  int possible_cpus() const { return possible_cpus_; }

  /// Counters that BPF keeps, read through a mapping: no system call.
  const volatile host_status& status() const;

 private:
  HostPrograms() = default;

  Fd read_process_;
  Fd learn_cpu_offset_;
  Fd note_running_;
  Fd exec_events_;
  Fd processes_;
  Fd by_signal_;
  Fd children_;
  std::vector<Fd> links_;
  Mapping reading_;
  Mapping status_;
  int possible_cpus_ = 1;
};

}  // namespace katameter::host
