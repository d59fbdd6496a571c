#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "host-probe/node/report.h"
#include "userspace/result.h"

namespace katameter::host {

/// What one sandbox cost beyond its workload, over all collections in which its guest answered.
struct SandboxOverhead {
  std::string handler;             // CRI runtime handler; empty if it is not known
  std::int64_t first = 0;          // unix seconds
  std::int64_t last = 0;           // unix seconds
  double cpu_seconds = 0;          // of overhead
  double seconds = 0;              // that these were used in
  std::uint64_t memory_bytes = 0;  // the highest seen, without guest RAM that is free again: that was the workload's
};

/// The overhead of this node's sandboxes, as podFixed is to be drawn from it. Survives a restart as text. Pure: all
/// times are the reports'.
class OverheadHistory {
 public:
  /// Sandboxes of one handler; beyond it those that were seen longest ago are forgotten.
  static constexpr std::size_t longest_memory = 500;
  static constexpr int version = 1;

  /// The error says what is wrong with the text.
  static Result<OverheadHistory> parse(const std::string& text);
  std::string text() const;

  /// The runtime handler of a sandbox; empty if it is not known, or not yet.
  using HandlerOf = std::function<std::string(const SandboxReport&)>;
  void take_up(const NodeReport& report, const HandlerOf& handler_of);
  /// By sandbox id in hex.
  const std::map<std::string, SandboxOverhead>& sandboxes() const { return sandboxes_; }
  bool empty() const { return sandboxes_.empty(); }

 private:
  struct Seen {
    std::uint64_t overhead_ns = 0;
    double at = 0;
  };
  void forget_oldest();

  std::map<std::string, SandboxOverhead> sandboxes_;
  std::map<std::string, Seen> seen_;  // at the last report; of this run of the program only
};

}  // namespace katameter::host
