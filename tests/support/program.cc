#include "tests/support/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

namespace katameter::host::testing {

const char* host_probe_program() {
  const char* other = std::getenv("HOST_PROBE");
  return other != nullptr ? other : HOST_PROBE_PROGRAM;
}

Program::Program(std::vector<std::string> arguments, const Fd* systemd_socket,
                 const std::vector<std::string>& starter) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  output_ = Fd(ends[0]);
  const Fd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
  std::vector<std::string> before{"setpriv", "--pdeathsig", "KILL"};  // ends with the tests, also where those abort
  if (systemd_socket != nullptr) {
    // As systemd passes it: the first one is descriptor 3, and the variables name the process that gets it.
    posix_spawn_file_actions_adddup2(&actions, systemd_socket->get(), 3);
    before.insert(before.end(), {"sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "sh"});
  }
  before.insert(before.end(), starter.begin(), starter.end());
  before.emplace_back(host_probe_program());
  arguments.insert(arguments.begin(), before.begin(), before.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int spawned = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(spawned == 0);
}

Program::~Program() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool Program::says(const std::string& text) {
  while (said_.find(text) == std::string::npos) {
    pollfd wait{output_.get(), POLLIN, 0};
    char buffer[4096];
    if (poll(&wait, 1, 60'000) <= 0) return false;
    const ssize_t got = read(output_.get(), buffer, sizeof buffer);
    if (got <= 0) return false;
    said_.append(buffer, static_cast<std::size_t>(got));
  }
  return true;
}

std::vector<std::string> Program::addresses() {
  INFO(said_);
  REQUIRE(says("sandboxes are looked for"));
  const std::string scheme = "://";
  std::vector<std::string> found;
  for (std::size_t at = said_.find(scheme); at != std::string::npos; at = said_.find(scheme, at)) {
    at += scheme.size();
    found.push_back(said_.substr(at, said_.find('/', at) - at));
  }
  return found;
}

std::string Program::take() {
  std::string taken;
  char buffer[4096];
  for (pollfd wait{output_.get(), POLLIN, 0}; poll(&wait, 1, 0) > 0;) {
    const ssize_t bytes = read(output_.get(), buffer, sizeof buffer);
    if (bytes <= 0) break;
    taken.append(buffer, static_cast<std::size_t>(bytes));
  }
  return taken;
}

void Program::stop(int signal) const {
  kill(pid_, signal);
}

int Program::status() {
  static_cast<void>(says("\x01 never said"));
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace katameter::host::testing
