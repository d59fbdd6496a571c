#include "host-probe/cli/top.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "host-probe/cli/screen.h"
#include "host-probe/http/api.h"

namespace katameter::host {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

Result<json> ask(HttpClient& client) {
  const Result<std::string> text = client.get(sandboxes_path);
  if (!text) return failure_from(text.error());
  return parse_sandboxes(*text);
}

const char* name(SandboxOrder order) {
  switch (order) {
    case SandboxOrder::cpu: return "CPU";
    case SandboxOrder::memory: return "memory";
    case SandboxOrder::overhead: return "overhead";
    case SandboxOrder::name: break;
  }
  return "name";
}

/// The live table: what is shown of the last document, and what the keys change about it.
class LiveTable {
 public:
  LiveTable(const TopOptions& options, json document)
      : order_(options.order),
        filter_(options.filter),
        containers_(options.containers),
        latest_(document),
        shown_(std::move(document)) {
    add_rates(shown_, latest_);
  }

  void update(Result<json> answer) {
    error_ = answer ? "" : answer.error().text;
    if (!answer) return;
    shown_ = *answer;
    add_rates(shown_, latest_);
    latest_ = *std::move(answer);
  }

  void draw() const {
    json selected = shown_;
    select_sandboxes(selected, order_, filter_);
    TableSize size = Screen::size();
    std::string help = typing_ ? "filter: " + typed_ + "_   Enter: apply   Esc: leave as it was"
                               : "q: quit   c: containers   p m o n: sort by CPU, memory, overhead, name   /: filter";
    std::string state = std::string("sorted by ") + name(order_) +
                        (filter_.empty() ? "" : ", filter '" + filter_ + "'") + "; CPU in % of one CPU";
    std::string below;
    for (const std::string& line : {state, help, error_}) {
      if (line.empty()) continue;
      // The last line has no line feed, which would move the whole screen up.
      below += "\n" + (size.columns > 0 ? line.substr(0, size.columns) : line);
      if (size.lines > 2) --size.lines;
    }
    std::string table = sandbox_table(selected, containers_, size);
    table.pop_back();
    Screen::show(table + below);
  }

  /// False if the key ends the program.
  bool press(char key) {
    constexpr char ctrl_c = 3;
    if (key == ctrl_c) return false;
    if (typing_) {
      type(key);
      return true;
    }
    switch (key) {
      case 'q': return false;
      case 'c': containers_ = !containers_; break;
      case 'p': order_ = SandboxOrder::cpu; break;
      case 'm': order_ = SandboxOrder::memory; break;
      case 'o': order_ = SandboxOrder::overhead; break;
      case 'n': order_ = SandboxOrder::name; break;
      case '/':
        typing_ = true;
        typed_ = filter_;
        break;
      default: break;
    }
    return true;
  }

 private:
  void type(char key) {
    constexpr char escape = 27;
    constexpr char backspace = 8;
    constexpr char erase = 127;
    constexpr std::size_t max_filter = 253;  // a pod's name
    if (key == '\r' || key == '\n') filter_ = typed_;
    if (key == '\r' || key == '\n' || key == escape) {
      typing_ = false;
    } else if (key == backspace || key == erase) {
      if (!typed_.empty()) typed_.pop_back();
    } else if (key > ' ' && key <= '~' && typed_.size() < max_filter) {
      typed_ += key;
    }
  }

  SandboxOrder order_;
  std::string filter_;
  bool containers_;
  bool typing_ = false;
  std::string typed_;
  std::string error_;
  json latest_;  // without rates: the next document is compared with it
  json shown_;
};

void show_live(HttpClient& client, const TopOptions& options, json first, std::chrono::milliseconds interval) {
  const Screen screen;
  LiveTable table(options, std::move(first));
  for (auto next = Clock::now() + interval;;) {
    table.draw();
    const auto now = Clock::now();
    const Key key = Screen::key(std::chrono::ceil<std::chrono::milliseconds>(std::max(next - now, Clock::duration())));
    if (key.end_of_input || (key.pressed && !table.press(*key.pressed))) return;
    if (Clock::now() < next) continue;
    table.update(ask(client));
    next = Clock::now() + interval;
  }
}

}  // namespace

Status show_top(const TopOptions& options) {
  const std::chrono::milliseconds interval(static_cast<std::int64_t>(options.interval_seconds * 1000));
  Result<HttpClient> client = HttpClient::create(options.target);
  if (!client) return failure_from(client.error());
  Result<json> earlier = ask(*client);
  if (!earlier) return failure_from(earlier.error());
  if (!options.json && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
    show_live(*client, options, *std::move(earlier), interval);
    return {};
  }
  std::this_thread::sleep_for(interval);
  Result<json> now = ask(*client);
  if (!now) return failure_from(now.error());
  add_rates(*now, *earlier);
  select_sandboxes(*now, options.order, options.filter);
  const std::string text = options.json ? now->dump(2, ' ', false, json::error_handler_t::replace) + "\n"
                                        : sandbox_table(*now, options.containers);
  std::fputs(text.c_str(), stdout);
  return {};
}

}  // namespace katameter::host
