#include "host-probe/overhead/history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/fd.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

using nlohmann::json;

constexpr double max_cpus = 8192;  // NR_CPUS of the largest kernels

json to_json(const SandboxOverhead& sandbox) {
  return {{"handler", sandbox.handler},         {"first", sandbox.first},     {"last", sandbox.last},
          {"cpu_seconds", sandbox.cpu_seconds}, {"seconds", sandbox.seconds}, {"memory_bytes", sandbox.memory_bytes}};
}

/// Nothing but what update() can have made: whoever adds these up must not have to look.
Result<SandboxOverhead> from_json(const json& object) {
  for (const char* key : {"first", "last", "memory_bytes"}) {
    if (!object.at(key).is_number_unsigned()) return failure(std::string(key) + " is not a whole number from 0 on");
  }
  SandboxOverhead sandbox;
  object.at("handler").get_to(sandbox.handler);
  object.at("first").get_to(sandbox.first);
  object.at("last").get_to(sandbox.last);
  object.at("cpu_seconds").get_to(sandbox.cpu_seconds);
  object.at("seconds").get_to(sandbox.seconds);
  object.at("memory_bytes").get_to(sandbox.memory_bytes);
  if (sandbox.first < 0 || sandbox.last < 0) return failure("a sandbox was seen before 1970");
  // The clock was set back while it was written.
  sandbox.last = std::max(sandbox.first, sandbox.last);
  if (sandbox.seconds < 0 || sandbox.cpu_seconds < 0 || sandbox.cpu_seconds > sandbox.seconds * max_cpus) {
    return failure("a sandbox used more CPU time than there can be");
  }
  return sandbox;
}

}  // namespace

Result<OverheadHistory> OverheadHistory::parse(const std::string& text) {
  try {
    const json document = json::parse(text);
    // Compared as what it is: a number in a file may be larger than any of ours.
    if (const json& found = document.at("version"); found != version) {
      const std::string its = found.is_number() ? "it has version " + found.dump() : "its version is not a number";
      return failure(its + ", this program reads " + std::to_string(version));
    }
    OverheadHistory history;
    for (const auto& [id, object] : document.at("sandboxes").items()) {
      if (!SandboxId::from_text(id)) return failure("'" + id + "' is not a sandbox id");
      Result<SandboxOverhead> sandbox = from_json(object);
      if (!sandbox) return failure_from(std::move(sandbox.error()), id);
      history.sandboxes_.emplace(id, *std::move(sandbox));
    }
    return history;
  } catch (const json::exception& error) {
    return failure(error.what());
  }
}

std::string OverheadHistory::text() const {
  json sandboxes = json::object();
  for (const auto& [id, sandbox] : sandboxes_) sandboxes[id] = to_json(sandbox);
  return json{{"version", version}, {"sandboxes", std::move(sandboxes)}}.dump() + "\n";
}

void OverheadHistory::update(const NodeReport& report, const HandlerOf& handler_of) {
  const auto before = std::exchange(seen_, {});
  for (const SandboxReport& sandbox : report.sandboxes) {
    if (!sandbox.account || !sandbox.account->memory.overhead) continue;
    const std::string id = sandbox.id.string();
    SandboxOverhead& history = sandboxes_[id];
    if (std::string handler = handler_of(sandbox); !handler.empty()) history.handler = std::move(handler);
    if (history.first == 0) history.first = report.unix_seconds;
    history.last = std::max(history.first, report.unix_seconds);  // the clock may have been set back
    const MemoryAccount& memory = sandbox.account->memory;
    history.memory_bytes =
        std::max(history.memory_bytes, *memory.overhead - std::min(*memory.overhead, memory.by_use->free));

    const Seen now{sandbox.account->cpu_overhead_ns, report.monotonic_seconds};
    const auto last = before.find(id);
    // A step that was not divided has none of the vCPUs' overhead in it.
    if (sandbox.account->divided && last != before.end() && now.at > last->second.at &&
        now.overhead_ns >= last->second.overhead_ns) {
      history.cpu_seconds += static_cast<double>(now.overhead_ns - last->second.overhead_ns) / 1e9;
      history.seconds += now.at - last->second.at;
    }
    seen_.emplace(id, now);
  }
  forget_oldest();
}

void OverheadHistory::forget_oldest() {
  std::map<std::string, std::vector<std::pair<std::int64_t, std::string>>> by_handler;
  for (const auto& [id, sandbox] : sandboxes_) by_handler[sandbox.handler].emplace_back(sandbox.last, id);
  for (auto& [handler, ids] : by_handler) {
    if (ids.size() <= max_sandboxes) continue;
    std::ranges::sort(ids);
    for (std::size_t i = 0; i < ids.size() - max_sandboxes; ++i) sandboxes_.erase(ids[i].second);
  }
}

namespace {

double rank(const std::vector<double>& sorted, double share) {
  const auto at = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(at, 1) - 1];
}

}  // namespace

Quantiles quantiles(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  return {rank(values, 0.5), rank(values, 0.95), values.back()};
}

std::vector<HandlerOverhead> summarize(const OverheadHistory& history) {
  struct Values {
    HandlerOverhead summary;
    std::vector<double> cpu;
    std::vector<double> memory;
  };
  std::map<std::string, Values> handlers;
  for (const auto& [id, sandbox] : history.sandboxes()) {
    Values& values = handlers[sandbox.handler];
    HandlerOverhead& summary = values.summary;
    summary.handler = sandbox.handler;
    summary.first = summary.sandboxes == 0 ? sandbox.first : std::min(summary.first, sandbox.first);
    summary.last = std::max(summary.last, sandbox.last);
    ++summary.sandboxes;
    values.memory.push_back(static_cast<double>(sandbox.memory_bytes));
    if (sandbox.seconds > 0) values.cpu.push_back(sandbox.cpu_seconds / sandbox.seconds);
  }
  std::vector<HandlerOverhead> summaries;
  for (auto& [handler, values] : handlers) {
    values.summary.cpu = quantiles(std::move(values.cpu));
    values.summary.memory = quantiles(std::move(values.memory));
    summaries.push_back(std::move(values.summary));
  }
  return summaries;
}

namespace {

Status write_all(const Fd& file, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t bytes = write(file.get(), text.data() + written, text.size() - written);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return system_failure("cannot write");
    written += static_cast<std::size_t>(bytes);
  }
  if (fsync(file.get()) != 0) return system_failure("cannot write");
  return {};
}

}  // namespace

Status replace_state(const std::string& path, const std::string& text) {
  if (const std::size_t end = path.rfind('/'); end != std::string::npos && end > 0) {
    if (mkdir(path.substr(0, end).c_str(), 0755) != 0 && errno != EEXIST) {
      return system_failure("cannot make the folder of " + path);
    }
  }
  const std::string fresh = path + ".new";
  const Fd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return system_failure("cannot open " + fresh);
  if (Status written = write_all(file, text); !written) return failure_from(written.error(), fresh);
  if (rename(fresh.c_str(), path.c_str()) != 0) return system_failure("cannot replace " + path);
  return {};
}

StateWriter::StateWriter(std::string path) : path_(std::move(path)), thread_([this] { run(); }) {}

StateWriter::~StateWriter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void StateWriter::write(std::string text) {
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(text);
  }
  changed_.notify_one();
}

void StateWriter::run() {
  bool warned = false;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return next_ || ending_; });
    if (!next_) return;
    const std::string text = *std::exchange(next_, std::nullopt);
    lock.unlock();
    const Status replaced = replace_state(path_, text);
    if (!replaced && !std::exchange(warned, true)) {
      log_warning("cannot save the overhead history; choose another file with --state-file",
                  {{"error", replaced.error().text}});
    }
    lock.lock();
  }
}

OverheadKeeper::OverheadKeeper(std::string path, OverheadHistory::HandlerOf handler_of, std::chrono::seconds interval)
    : path_(std::move(path)),
      handler_of_(std::move(handler_of)),
      interval_(interval),
      saved_(std::chrono::steady_clock::now()) {
  if (path_.empty()) return;
  writer_ = std::make_unique<StateWriter>(path_);
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

void OverheadKeeper::update(const NodeReport& report) {
  if (path_.empty()) return;
  history_.update(report, handler_of_);
  changed_ = changed_ || !history_.empty();
  if (changed_ && std::chrono::steady_clock::now() - saved_ >= interval_) save();
}

void OverheadKeeper::save() {
  saved_ = std::chrono::steady_clock::now();
  changed_ = false;
  writer_->write(history_.text());
}

}  // namespace katameter::host
