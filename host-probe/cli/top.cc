#include "host-probe/cli/top.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "host-probe/cli/sandbox_table.h"
#include "host-probe/http/api.h"

namespace katameter::host {
namespace {

constexpr std::array ending = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
constexpr std::string_view second_screen = "\033[?1049h\033[?25l";
constexpr std::string_view first_screen = "\033[?25h\033[?1049l";
// Outside of Screen, for the handler.
termios before{};

void put_back() {
  // Without stdio, which a handler may not use.
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, first_screen.data(), first_screen.size());
  tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

// Its handler is gone by now and the signal held up until this returns: then it ends the program as it would have.
void end_by(int signal) {
  put_back();
  raise(signal);
}

void handle_ending_signals() {
  struct sigaction action {};
  action.sa_handler = end_by;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  // By which a program in the background would be stopped instead.
  sigaddset(&action.sa_mask, SIGTTOU);
  for (const int signal : ending) {
    struct sigaction earlier {};
    sigaction(signal, nullptr, &earlier);
    if (earlier.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

void leave_ending_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (const int signal : ending) {
    struct sigaction earlier {};
    sigaction(signal, nullptr, &earlier);
    if (earlier.sa_handler == end_by) sigaction(signal, &action, nullptr);
  }
}

/// What came from the keyboard within a time; nothing, if nothing came. Of a key that sends several bytes, as the
/// arrows do, nothing comes either.
struct Key {
  std::optional<char> pressed;
  bool end_of_input = false;
};

/// The terminal without line editing, on its second screen. It is as it was when this goes, and also when a signal ends
/// the program meanwhile. There is one terminal, so make one of these at a time.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// 0 where the terminal does not say.
  static TableSize size();
  /// Replaces what is on the screen.
  static void show(const std::string& text);
  static Key key(std::chrono::milliseconds wait);
};

Screen::Screen() {
  tcgetattr(STDIN_FILENO, &before);
  handle_ending_signals();
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);  // Ctrl-C is a key
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  std::fputs(second_screen.data(), stdout);
  std::fflush(stdout);
}

Screen::~Screen() {
  leave_ending_signals();
  put_back();
}

TableSize Screen::size() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return {.columns = size.ws_col, .lines = size.ws_row};
}

void Screen::show(const std::string& text) {
  std::fputs(("\033[H\033[2J" + text).c_str(), stdout);
  std::fflush(stdout);
}

Key Screen::key(std::chrono::milliseconds wait) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, static_cast<int>(wait.count())) != 1) return {};
  char pressed = 0;
  if (read(STDIN_FILENO, &pressed, 1) < 1) return {.pressed = {}, .end_of_input = true};
  constexpr char escape = 27;
  if (pressed != escape) return {.pressed = pressed, .end_of_input = false};
  // An arrow and the like are an escape, '[' and what ends with a letter or '~', or 'O' and a letter (ECMA-48). They come
  // at once; what was typed behind them stays.
  const auto next = [&input]() -> std::optional<char> {
    char byte = 0;
    if (poll(&input, 1, 0) != 1 || read(STDIN_FILENO, &byte, 1) != 1) return std::nullopt;
    return byte;
  };
  std::optional<char> byte = next();
  if (!byte) return {.pressed = escape, .end_of_input = false};
  if (byte == 'O') {
    next();
  } else if (byte == '[') {
    do {
      byte = next();
    } while (byte && (*byte < '@' || *byte > '~'));
  }
  return {};
}

using Clock = std::chrono::steady_clock;
using nlohmann::json;

Result<json> ask(HostProbeClient& client) {
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

void show_live(HostProbeClient& client, const TopOptions& options, json first, std::chrono::milliseconds interval) {
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
  Result<HostProbeClient> client = HostProbeClient::create(options.target);
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
