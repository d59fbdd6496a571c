#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
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
  static constexpr std::size_t max_sandboxes = 500;
  static constexpr int version = 1;

  /// The error says what is wrong with the text.
  static Result<OverheadHistory> parse(const std::string& text);
  std::string text() const;

  /// The runtime handler of a sandbox; empty if it is not known, or not yet.
  using HandlerOf = std::function<std::string(const SandboxReport&)>;
  void update(const NodeReport& report, const HandlerOf& handler_of);
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

struct Quantiles {
  double p50 = 0;
  double p95 = 0;
  double max = 0;
};

/// Nearest rank: each is a value that there was. All 0 for no values.
Quantiles quantiles(std::vector<double> values);

/// The overhead of all sandboxes of one runtime handler.
struct HandlerOverhead {
  std::string handler;  // empty if it is not known
  std::size_t sandboxes = 0;
  std::int64_t first = 0;  // unix seconds
  std::int64_t last = 0;   // unix seconds
  Quantiles cpu;           // CPUs, of the sandboxes' means over their time
  Quantiles memory;        // bytes, of the highest of each sandbox
};

/// One for each handler, sorted by name.
std::vector<HandlerOverhead> summarize(const OverheadHistory& history);

/// Puts `text` in place of the file in one step: whoever reads it, now or after a crash, sees the old or the new one
/// whole. Makes the last folder of the path if that is missing.
Status replace_state(const std::string& path, const std::string& text);

/// Writes a file from a thread of its own: a disk may take as long as it likes to answer. What is not yet begun when
/// more comes is replaced. A file that cannot be written is logged once.
class StateWriter {
 public:
  explicit StateWriter(std::string path);
  /// Waits until the last text is written.
  ~StateWriter();
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  void write(std::string text);

 private:
  void run();

  std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> next_;
  bool ending_ = false;
  std::thread thread_;
};

/// Keeps the history in its file while host-probe serves. Nothing that is wrong with the file stops it: a file that
/// cannot be read is logged once, put aside as <file>.bad and begun anew, one that cannot be written is logged once.
class OverheadKeeper {
 public:
  /// How much may be lost when the machine dies.
  static constexpr std::chrono::seconds max_loss{60};

  /// Goes on from `path`; empty: nothing is kept.
  OverheadKeeper(std::string path, OverheadHistory::HandlerOf handler_of, std::chrono::seconds interval = max_loss);
  /// Saves what is not saved yet.
  ~OverheadKeeper();
  OverheadKeeper(const OverheadKeeper&) = delete;
  OverheadKeeper& operator=(const OverheadKeeper&) = delete;

  void update(const NodeReport& report);
  const OverheadHistory& history() const { return history_; }

 private:
  void save();

  std::string path_;
  OverheadHistory::HandlerOf handler_of_;
  OverheadHistory history_;
  std::chrono::seconds interval_;
  std::chrono::steady_clock::time_point saved_;
  bool changed_ = false;
  std::unique_ptr<StateWriter> writer_;
};

}  // namespace katameter::host
