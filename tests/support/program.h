#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "userspace/fd.h"

namespace katameter::host::testing {

/// The path of host-probe: of this build, or what HOST_PROBE in the environment names, such as one behind a seccomp profile
/// (tests/packaging/check_seccomp.py).
const char* host_probe_program();

/// host-probe as a child; stdout and stderr come through one pipe.
class Program {
 public:
  /// `systemd_socket`: passed to it as by socket activation. `starter`: a command line that starts it in the end.
  explicit Program(std::vector<std::string> arguments, const Fd* systemd_socket = nullptr,
                   const std::vector<std::string>& starter = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// Reads on until the output holds `text`; false if it ends or stays silent for a minute before.
  bool says(const std::string& text);
  /// Waits until it serves; the `IP:PORT` that it says.
  std::vector<std::string> addresses();
  /// Takes what it has said since, before the pipe is full and it has to wait.
  std::string take();
  void stop(int signal) const;
  /// Waits for its end; its exit status, or -1.
  int status();
  pid_t pid() const { return pid_; }
  const std::string& said() const { return said_; }

 private:
  pid_t pid_ = -1;
  Fd output_;
  std::string said_;
};

}  // namespace katameter::host::testing
