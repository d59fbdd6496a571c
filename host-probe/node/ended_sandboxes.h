#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host-probe/accounting/sandbox_accounting.h"
#include "host-probe/node/guest_run.h"
#include "host-probe/node/report.h"
#include "host-probe/pods/names.h"
#include "host-probe/processes/process_source.h"
#include "host-probe/sandbox_id.h"

namespace katameter::host {

/// NodeReport::cpu_by_handler. What the accounting of each sandbox gained is added once, whether the sandbox lives or has
/// ended, so no total falls when a sandbox is dropped.
class CpuByHandler {
 public:
  /// How long the CPU time of a living sandbox is kept out of the totals while its runtime handler is not known.
  static constexpr std::chrono::seconds handler_timeout{10};

  /// `names` may be null: then no handler is known.
  explicit CpuByHandler(const Names* names) : names_(names) {}

  /// Adds what the sandbox, which appeared `age` ago, has gained since it was added last.
  void add(const SandboxId& id, SandboxAccounting& accounting, std::chrono::steady_clock::duration age);
  /// The same of a sandbox that has ended: its handler is not waited for.
  void add_ended(const SandboxId& id, SandboxAccounting& accounting) { add(id, accounting, handler_timeout); }
  const std::map<std::string, CpuByComponent>& totals() const { return totals_; }

 private:
  const Names* names_;
  std::map<std::string, CpuByComponent> totals_;
};

/// The sandboxes of this node that ended a short while ago: their histories, so that every scraper gets the OOM kills and
/// the last values of their containers, and one of the same id that comes back goes on from there; and their accounting,
/// because their processes end later than they do. What is dropped is added to the node's totals first, so they lose
/// nothing. Bounded, however many sandboxes and containers end. The caller gives the time.
class EndedSandboxes {
 public:
  using Time = SandboxHistory::Time;

  /// Of more, the one that ended first is dropped.
  static constexpr std::size_t max = 1024;
  /// Ended containers of all of them; beyond it those of the sandbox that ended first are dropped.
  static constexpr std::size_t max_containers = 2048;
  /// The number of sandboxes that may end without a scrape before update() is due.
  static constexpr std::size_t max_unread = 256;

  struct Ended {
    SandboxHistory history;
    SandboxAccounting accounting;
    Time last_values{};  // of its processes
  };

  /// `names`, which may be null, forgets what is dropped. Both must outlive it.
  EndedSandboxes(Names* names, CpuByHandler& cpu) : names_(names), cpu_(cpu) {}

  /// The sandbox has ended. `accounting` is absent if it had no VMM. `has_last_values`: update() will get values of its
  /// processes. Of a directory behind which there was nothing, nothing is kept.
  void add(const SandboxId& id, SandboxHistory history, std::optional<SandboxAccounting> accounting,
           bool has_last_values);
  /// The sandbox has come back: what is kept of it, if anything is.
  std::optional<Ended> take(const SandboxId& id);

  /// Accounts what their processes used until they ended, which is some time after their directories have gone.
  void update(const std::map<SandboxId, SandboxProcesses>& processes, Time now);
  /// So many have ended since the last update() that the next one is due.
  bool update_due() const { return unread_ >= max_unread; }
  /// Drops those whose window is over, and of the others the containers and kills whose window is.
  void expire(Time now);

  /// Adds what they have gained to the node's totals.
  void add_cpu();
  /// Appends a report of each that has anything to report.
  void report(std::vector<SandboxReport>& reports) const;
  std::size_t size() const { return ended_.size(); }

 private:
  using Map = std::map<SandboxId, Ended>;
  void keep_bounds();
  Map::iterator drop(Map::iterator ended);
  void forget_names(const SandboxId& id);

  Names* names_;
  CpuByHandler& cpu_;
  Map ended_;
  std::size_t unread_ = 0;  // ended since the last update()
};

}  // namespace katameter::host
