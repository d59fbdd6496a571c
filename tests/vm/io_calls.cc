#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/vm/daemon.h"
#include "tests/vm/report.h"
#include "tests/vm/test_cgroup.h"
#include "userspace/fd.h"

// Calls of read(2) and write(2) and their bytes; the truth is /proc/PID/io.
using namespace katameter;
using namespace katameter::guest;

namespace {

const std::vector<std::string> with_task_sums{"--schedstat"};

using Io = std::map<std::string, std::uint64_t>;

// Of a process with all its threads, the ended ones too.
Io io_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/io");
  Io io;
  std::string key;
  for (std::uint64_t value = 0; file >> key >> value;) io[key] = value;
  return {
      {"rchar", io.at("rchar:")}, {"wchar", io.at("wchar:")}, {"syscr", io.at("syscr:")}, {"syscw", io.at("syscw:")}};
}

Io io_of(const wire::Container& row) {
  return {{"rchar", row.read_call_bytes.value()},
          {"wchar", row.write_call_bytes.value()},
          {"syscr", row.read_calls.value()},
          {"syscw", row.write_calls.value()}};
}

bool io_is_counted() {
  if (std::ifstream("/proc/self/io")) return true;
  const Daemon daemon({}, with_task_sums);
  const TestCgroup cgroup('1');
  CHECK_FALSE(row_of(daemon, cgroup.id()).read_calls);
  leave_out("this kernel does not count the I/O of tasks");
  return false;
}

// Waits until the row has what `truth` has: RCU has to be done with a thread that has ended, and a process counts its last
// write() after the one who waits for it was woken.
template <typename Truth>
void check_reported(const Daemon& daemon, const std::string& id, const Truth& truth) {
  Io expected = truth();
  Io io = io_of(row_of(daemon, id));
  for (int attempt = 0; attempt < 300 && io != expected; ++attempt) {
    usleep(20'000);
    expected = truth();
    io = io_of(row_of(daemon, id));
  }
  CHECK(io == expected);
}

Io operator+(Io one, const Io& other) {
  for (const auto& [key, value] : other) one[key] += value;
  return one;
}

void must(bool done) {
  if (!done) _exit(9);
}

void use_file(std::size_t bytes, int calls) {
  const std::string path = "/tmp/katameter-io-calls-" + std::to_string(getpid());
  const Fd file(open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600));
  std::vector<char> buffer(bytes);
  for (int i = 0; i < calls; ++i) must(pwrite(file.get(), buffer.data(), bytes, 0) == static_cast<ssize_t>(bytes));
  for (int i = 0; i < 2 * calls; ++i) must(pread(file.get(), buffer.data(), bytes, 0) == static_cast<ssize_t>(bytes));
  must(unlink(path.c_str()) == 0);
}

// A process in a container that works each time it is asked to, and ends when the test closes its pipe.
class IoWorker {
 public:
  explicit IoWorker(const TestCgroup& cgroup) {
    std::array<int, 2> asked{};
    std::array<int, 2> done{};
    REQUIRE((pipe2(asked.data(), O_CLOEXEC) == 0 && pipe2(done.data(), O_CLOEXEC) == 0));
    const Fd asked_read(asked[0]);
    asked_ = Fd(asked[1]);
    done_ = Fd(done[0]);
    const Fd done_write(done[1]);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    asked_.reset();
    for (const char* controller : {"cpuacct", "cpu", "memory", "pids"}) cgroup.write(controller, "cgroup.procs", "0");
    char byte = 0;
    while (read(asked_read.get(), &byte, 1) == 1) {
      use_file(100'000, 3);
      std::thread([] { use_file(7, 40); }).join();
      must(write(done_write.get(), "d", 1) == 1);
    }
    _exit(0);
  }
  IoWorker(const IoWorker&) = delete;
  IoWorker& operator=(const IoWorker&) = delete;
  ~IoWorker() { end(); }

  pid_t pid() const { return pid_; }
  void work() const {
    char byte = 0;
    REQUIRE(write(asked_.get(), "g", 1) == 1);
    REQUIRE(read(done_.get(), &byte, 1) == 1);
  }
  // What it has done when it can do no more.
  Io end() {
    if (pid_ < 0) return {};
    asked_.reset();
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
    Io io = io_of(pid_);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    return io;
  }

 private:
  pid_t pid_ = -1;
  Fd asked_;
  Fd done_;
};

}  // namespace

TEST_CASE("Calls of read and write and their bytes are those of /proc, of threads and processes that ended too",
          "[any]") {
  if (!io_is_counted()) return;
  const Daemon daemon({}, with_task_sums);
  TestCgroup cgroup('1');
  const std::string id = cgroup.id();
  IoWorker one(cgroup);
  IoWorker other(cgroup);
  one.work();
  other.work();
  for (int round = 0; round < 3; ++round) {
    one.work();
    check_reported(daemon, id, [&] { return io_of(one.pid()) + io_of(other.pid()); });
  }
  CHECK(*row_of(daemon, id).write_calls >= 5 * 43);
  CHECK(*row_of(daemon, id).read_call_bytes >= 5 * 6 * 100'000);

  one.work();
  other.work();
  const Io both = one.end() + other.end();
  check_reported(daemon, id, [&] { return both; });
  cgroup.remove();
  const wire::Container removed = row_of(daemon, id);
  CHECK(removed.removed);
  CHECK(io_of(removed) == both);
}

TEST_CASE("Without --schedstat calls of read and write are not counted", "[any]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  CHECK_FALSE(row_of(daemon, cgroup.id()).read_calls);
}
