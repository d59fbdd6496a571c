#include "tests/vm/daemon.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "guest-probe/client.h"

namespace katameter {

Daemon::Daemon(const std::vector<std::string>& prefix) : socket_("/tmp/katameter-vm-" + std::to_string(getpid())) {
  std::vector<std::string> command = prefix;
  for (const char* word : {GUEST_PROBE, "run", "--listen"}) command.push_back(word);
  command.push_back("unix:" + socket_);
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  // Connections queue from the moment it listens, so the first answer is the readiness.
  for (int attempt = 0; attempt < 300; ++attempt) {
    if (ask_daemon(socket_, 30)) return;
    REQUIRE(waitpid(pid_, nullptr, WNOHANG) == 0);
    usleep(50'000);
  }
  FAIL("guest-probe does not answer");
}

Daemon::~Daemon() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

Dump Daemon::dump() const {
  Result<Dump> dump = ask_daemon(socket_, 30);
  if (!dump) FAIL(dump.error().text);
  return *std::move(dump);
}

std::optional<wire::Container> Daemon::find(const Dump& dump, const std::string& id) {
  for (const wire::Container& container : dump.snapshot.containers) {
    if (container.id.hex() == id) return container;
  }
  return std::nullopt;
}

}  // namespace katameter
