#include "host-probe/overhead/overhead_keeper.h"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "host-probe/overhead/state_file.h"
#include "userspace/fd.h"
#include "userspace/log.h"

namespace katameter::host {

OverheadKeeper::OverheadKeeper(std::string path, OverheadHistory::HandlerOf handler_of)
    : path_(std::move(path)), handler_of_(std::move(handler_of)), saved_(std::chrono::steady_clock::now()) {
  if (path_.empty()) return;
  const Result<std::string> text = read_file(path_);
  if (!text) {
    if (text.error().code != ENOENT) log_warning("starting a new overhead history", {{"error", text.error().text}});
    return;
  }
  Result<OverheadHistory> history = OverheadHistory::parse(*text);
  if (history) {
    history_ = *std::move(history);
    return;
  }
  const std::string aside = path_ + ".bad";
  const bool moved = rename(path_.c_str(), aside.c_str()) == 0;
  log_error(
      "starting a new overhead history: the file cannot be used",
      {{"file", path_}, {"error", history.error().text}, {"moved_to", moved ? aside : "nowhere; it will be replaced"}});
}

OverheadKeeper::~OverheadKeeper() {
  if (changed_) save();
}

void OverheadKeeper::take_up(const NodeReport& report) {
  if (path_.empty()) return;
  history_.take_up(report, handler_of_);
  changed_ = changed_ || !history_.empty();
  if (changed_ && std::chrono::steady_clock::now() - saved_ >= interval) save();
}

void OverheadKeeper::save() {
  saved_ = std::chrono::steady_clock::now();
  const Status replaced = replace_state(path_, history_.text());
  changed_ = !replaced;
  if (replaced || std::exchange(told_, true)) return;
  log_warning("cannot save the overhead history; choose another file with --state-file",
              {{"error", replaced.error().text}});
}

}  // namespace katameter::host
