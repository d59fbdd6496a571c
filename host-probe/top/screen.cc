#include "host-probe/top/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string_view>

namespace katameter {
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

std::size_t Screen::width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void Screen::show(const std::string& text) {
  std::fputs(("\033[H\033[2J" + text).c_str(), stdout);
  std::fflush(stdout);
}

char Screen::key(std::chrono::milliseconds wait) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char pressed = 0;
  if (poll(&input, 1, static_cast<int>(wait.count())) != 1) return 0;
  return read(STDIN_FILENO, &pressed, 1) == 1 ? pressed : 'q';
}

}  // namespace katameter
