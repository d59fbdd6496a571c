#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/support/units.h"
#include "tests/vm/test_cgroup.h"
#include "userspace/fd.h"

namespace katameter::guest {

inline constexpr std::size_t page = 4096;

/// A process in a container that obeys, step by step, and nothing in between.
class Workload {
 public:
  /// Forks, enters `cgroup` and takes the name `comm`; then waits for the first step.
  explicit Workload(const TestCgroup& cgroup, const std::string& comm = "workload");
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  /// Ends it.
  ~Workload() { end(); }

  pid_t pid() const { return pid_; }

  // Each returns when the process has done it and waits again.
  void touch_anonymous(std::size_t pages);
  void touch_file(std::size_t pages);
  /// Of 2 MiB.
  void touch_huge_pages(std::size_t pages);
  /// Reads the first pages of guest-probe's own file, which nobody else has in the page cache then.
  void read_file(std::size_t pages);
  void burn_cpu_ms(std::size_t ms);
  /// Reads from a block device, or writes to it: `requests` of so many bytes each. `device`: opened with O_DIRECT before
  /// this object was made.
  void read_device(int device, std::size_t requests, std::size_t bytes = 4096);
  void write_device(int device, std::size_t requests, std::size_t bytes = 4096);
  /// Discards the first `bytes` of the device.
  void discard_device(int device, std::size_t bytes);
  /// Starts to read and does not wait for the end.
  void start_reading_device(int device, std::size_t requests, std::size_t bytes = 4096);

  /// Burns it in system calls.
  void burn_system_ms(std::size_t ms);

  /// Starts burning CPU and does not wait for its end.
  void start_burning_ms(std::size_t ms);
  /// The same in several threads at once, each of which burns that much.
  void start_burning_threads_ms(std::size_t ms);
  /// Starts to hand a byte back and forth between two processes over pipes: two context switches a round.
  void start_ping_pong(std::size_t rounds);
  /// Starts to make processes, one after the other, that end at once.
  void start_processes(std::size_t count);
  /// The same with threads.
  void start_threads(std::size_t count);
  void wait_done();
  /// Whether what was started is done, in which case nobody needs to wait for it.
  bool is_done();

  /// Starts touching pages and does not wait for its end, which wait_end() does; that gives its wait status.
  void start_touching(std::size_t pages);
  void start_touching_huge_pages(std::size_t pages);
  int wait_end();

  /// Tells it to touch more than its limit allows and returns its wait status (a kill, if all is as it should be).
  int run_out_of_memory(std::size_t pages);

  void end();

 private:
  struct Step {
    char what = '-';
    std::size_t amount = 0;
    int device = -1;
    std::size_t bytes = 0;
  };
  void send_step(Step step);
  [[noreturn]] void serve(const TestCgroup& cgroup, const std::string& comm, int steps, int done);

  pid_t pid_ = -1;
  Fd steps_;
  Fd done_;
};

}  // namespace katameter::guest
