#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "guest-probe/server/dump.h"

namespace katameter::guest {

/// A guest-probe that serves on a Unix socket of its own, for the life of the object.
class Daemon {
 public:
  /// Returns when it is ready. `prefix`: what it is started under ("strace", ...), `arguments`: more options.
  explicit Daemon(const std::vector<std::string>& prefix = {}, const std::vector<std::string>& arguments = {});
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  pid_t pid() const { return pid_; }
  /// The path of its socket.
  const std::string& socket() const { return socket_; }
  /// Ends it by a signal and waits for that; what it has pinned stays, for the next Daemon to go on with.
  void end(int signal);
  /// After end(): starts another one, and returns when it is ready. What is pinned is removed with the last.
  /// `program`: the file to start in place of guest-probe's own, from now on.
  void start(const std::string& program = "");
  /// The same, and returns at once.
  void launch();
  /// One snapshot and the events waiting; a failure ends the test.
  Dump dump() const;
  /// Takes all there is, as a host does, and says so.
  void acknowledge_all() const;
  /// What a container's row says; nothing if there is none.
  static std::optional<wire::Container> find(const Dump& dump, const std::string& id);

 private:
  std::string socket_;
  std::vector<std::string> command_;
  std::size_t program_;  // where in it
  pid_t pid_ = -1;
};

/// A container's row in a new snapshot; the test ends if there is none.
wire::Container row_of(const Daemon& daemon, const std::string& id);

/// A guest-probe that goes on from test to test, as in a guest, for tests that only compare what it says. It starts where
/// none runs, and ends when a test makes a Daemon of its own. Hosts have taken what earlier tests left.
const Daemon& shared_daemon();
/// For a test that needs a kernel without guest-probe and makes no Daemon.
void end_shared_daemon();

}  // namespace katameter::guest
