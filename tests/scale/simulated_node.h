#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"
#include "userspace/fd.h"

namespace katameter::host::testing {

/// The simulator (tests/support/simulator) as a child.
class SimulatorProcess {
 public:
  SimulatorProcess(const std::string& run_root, int guests);
  SimulatorProcess(const SimulatorProcess&) = delete;
  SimulatorProcess& operator=(const SimulatorProcess&) = delete;
  ~SimulatorProcess();

  /// One command, and the line that answers it.
  std::string ask(const std::string& command);

 private:
  std::string line();

  pid_t pid_ = -1;
  Fd input_;
  Fd output_;
  std::string unread_;
};

/// host-probe over a simulated /run.
class SimulatedNode {
 public:
  explicit SimulatedNode(int guests);

  /// The answer to a scrape, compressed as Prometheus asks for it or not.
  std::string scrape(bool compressed = false);
  void add(int guests);
  /// As add(), of guests behind VMMs that accept connections for so long before the guest does.
  void boot(int guests, std::chrono::milliseconds duration);
  void remove(int guests);
  /// Waits until host-probe has a connection to every guest, and no sandbox beside.
  void wait_connected();

  struct Collects {
    std::uint64_t fewest = 0;
    std::uint64_t most = 0;
  };
  /// How often one guest was asked.
  Collects collects();

  /// What host-probe has logged up to the last wait_connected().
  const std::string& logged() const { return log_; }

  std::size_t resident_kb() const;
  std::size_t descriptors() const;

 private:
  katameter::testing::TemporaryDirectory folder_;
  SimulatorProcess simulator_;
  Program host_probe_;
  std::string address_;
  int guests_;
  std::string log_;
};

}  // namespace katameter::host::testing
