#include "tests/vm/daemon.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>

#include "guest-probe/server/dump.h"
#include "tests/support/host_peer.h"

namespace katameter::guest {
namespace {

std::unique_ptr<Daemon> shared;

// Where a process crashed, the kernel's log says: addresses that addr2line turns into lines of the program's.
void show_faults() {
  if (std::system("dmesg | grep -a -e segfault -e traps: -e Oops -e BUG: -e rcu: | tail -n 20 >&2") != 0) return;
}

}  // namespace

Daemon::Daemon(const std::vector<std::string>& prefix, const std::vector<std::string>& arguments)
    : socket_("/run/katameter-vm-" + std::to_string(getpid())), command_(prefix), program_(prefix.size()) {
  for (const char* word : {GUEST_PROBE, "run", "--listen"}) command_.push_back(word);
  command_.push_back("unix:" + socket_);
  command_.insert(command_.end(), arguments.begin(), arguments.end());
  end_shared_daemon();
  start();
}

void Daemon::launch() {
  std::vector<char*> arguments;
  for (std::string& word : command_) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
}

void Daemon::start(const std::string& program) {
  if (!program.empty()) command_[program_] = program;
  launch();
  // Connections queue from the moment it listens, so the first answer is the readiness.
  for (int attempt = 0; attempt < 300; ++attempt) {
    if (ask_daemon(socket_, 30)) return;
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended != 0) show_faults();
    INFO("it ended with wait status " << status);
    REQUIRE(ended == 0);
    usleep(50'000);
  }
  FAIL("guest-probe does not answer");
}

void Daemon::end(int signal) {
  if (pid_ > 0) {
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
}

Daemon::~Daemon() {
  end(SIGTERM);
  // Each test begins with an empty kernel, and with no sums that go on.
  if (std::system(GUEST_PROBE " detach >/dev/null && rm -f /run/katameter/reported-sums") != 0) std::abort();
}

Dump Daemon::dump() const {
  Result<Dump> dump = ask_daemon(socket_, 30);
  if (!dump) FAIL(dump.error().text);
  return *std::move(dump);
}

void Daemon::acknowledge_all() const {
  HostPeer host(socket_);
  (void)host.collect();
  host.acknowledge();
  host.close();
}

std::optional<wire::Container> Daemon::find(const Dump& dump, const std::string& id) {
  for (const wire::Container& container : dump.snapshot.containers) {
    if (container.id.hex() == id) return container;
  }
  return std::nullopt;
}

wire::Container row_of(const Daemon& daemon, const std::string& id) {
  const auto row = Daemon::find(daemon.dump(), id);
  INFO("container " << id);
  REQUIRE(row);
  return *row;
}

const Daemon& shared_daemon() {
  if (!shared) shared = std::make_unique<Daemon>();
  shared->acknowledge_all();
  return *shared;
}

void end_shared_daemon() {
  shared.reset();
}

}  // namespace katameter::guest
