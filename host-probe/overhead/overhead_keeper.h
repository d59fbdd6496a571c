#pragma once

#include <chrono>
#include <map>
#include <string>

#include "host-probe/overhead/overhead_history.h"

namespace katameter::host {

/// Keeps the history in its file while host-probe serves. Nothing that is wrong with the file stops it: a file that
/// cannot be read is told once, put aside as <file>.bad and begun anew, one that cannot be written is told once.
class OverheadKeeper {
 public:
  /// How much may be lost when the machine dies.
  static constexpr std::chrono::seconds interval{60};

  /// Goes on from `path`; empty: nothing is kept.
  OverheadKeeper(std::string path, OverheadHistory::HandlerOf handler_of);
  /// Saves what is left to be saved.
  ~OverheadKeeper();
  OverheadKeeper(const OverheadKeeper&) = delete;
  OverheadKeeper& operator=(const OverheadKeeper&) = delete;

  void take_up(const NodeReport& report);
  const OverheadHistory& history() const { return history_; }

 private:
  void save();

  std::string path_;
  OverheadHistory::HandlerOf handler_of_;
  OverheadHistory history_;
  std::chrono::steady_clock::time_point saved_;
  bool changed_ = false;
  bool told_ = false;
};

}  // namespace katameter::host
