#include "host-probe/cli/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string_view>

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

}  // namespace

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
  std::array<char, 16> bytes{};
  if (poll(&input, 1, static_cast<int>(wait.count())) != 1) return {};
  const ssize_t got = read(STDIN_FILENO, bytes.data(), 1);
  if (got < 1) return {.pressed = {}, .end_of_input = true};
  constexpr char escape = 27;
  if (bytes[0] != escape || poll(&input, 1, 0) != 1) return {.pressed = bytes[0], .end_of_input = false};
  // The rest of an escape sequence comes with it at once.
  [[maybe_unused]] const ssize_t rest = read(STDIN_FILENO, bytes.data(), bytes.size());
  return {};
}

}  // namespace katameter::host
