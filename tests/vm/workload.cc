#include "tests/vm/workload.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "tests/vm/storms.h"

namespace katameter::guest {
namespace {

// Some 40 MB on the share of the host. Not of guest-probe's own: when that gives pages back, they count as used once more.
constexpr const char* large_file = LARGE_FILE;

void touch(int fd, int flags, std::size_t pages) {
  char* memory = static_cast<char*>(mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, flags, fd, 0));
  if (memory == MAP_FAILED) _exit(3);
  // No huge pages: a test counts the pages that it asked for.
  madvise(memory, pages * page, MADV_NOHUGEPAGE);
  for (std::size_t i = 0; i < pages; ++i) static_cast<volatile char*>(memory)[i * page] = 1;
}

void touch_huge(std::size_t pages) {
  constexpr int size_2mb = 21 << MAP_HUGE_SHIFT;
  const std::size_t bytes = pages << 21;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size_2mb;
  char* memory = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0));
  if (memory == MAP_FAILED) _exit(3);
  for (std::size_t i = 0; i < pages; ++i) static_cast<volatile char*>(memory)[i << 21] = 1;
}

void read_own_pages(std::size_t pages) {
  const Fd file(open(large_file, O_RDONLY | O_CLOEXEC));
  std::array<char, page> bytes{};
  for (std::size_t i = 0; i < pages; ++i) {
    if (read(file.get(), bytes.data(), bytes.size()) <= 0) _exit(6);
  }
}

// `device` was opened with O_DIRECT before the fork.
void use_device(int device, bool write, std::size_t requests, std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) _exit(3);
  for (std::size_t i = 0; i < requests; ++i) {
    const auto at = static_cast<off_t>(i % 16 * page);
    const ssize_t done = write ? pwrite(device, memory, bytes, at) : pread(device, memory, bytes, at);
    if (done != static_cast<ssize_t>(bytes)) _exit(7);
  }
  munmap(memory, bytes);
}

void discard(int device, std::uint64_t bytes) {
  std::array<std::uint64_t, 2> range{0, bytes};
  if (ioctl(device, BLKDISCARD, range.data()) != 0) _exit(7);
}

// By the clock of the thread. `in_kernel`: by zeroing memory there, the copying of which takes far longer than the calls.
void burn_cpu(std::size_t ms, bool in_kernel) {
  timespec start{};
  timespec now{};
  const int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  static std::array<char, 1 << 20> bytes;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
  do {
    if (in_kernel && read(zeros, bytes.data(), bytes.size()) < 0) _exit(6);
    // Asking for the thread's time is a system call: most of the time is to go elsewhere.
    for (volatile int spin = 0; !in_kernel && spin < 20'000;) spin = spin + 1;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1'000'000 < static_cast<long>(ms));
  close(zeros);
}

void burn(std::size_t ms) {
  burn_cpu(ms, false);
}

}  // namespace

Workload::Workload(const TestCgroup& cgroup, const std::string& comm) {
  std::array<int, 2> steps{};
  std::array<int, 2> done{};
  REQUIRE(pipe2(steps.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(done.data(), O_CLOEXEC) == 0);
  Fd steps_read(steps[0]);
  steps_ = Fd(steps[1]);
  done_ = Fd(done[0]);
  Fd done_write(done[1]);
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    steps_.reset();
    serve(cgroup, comm, steps_read.get(), done_write.get());
  }
  done_write.reset();
  wait_done();
}

void Workload::serve(const TestCgroup& cgroup, const std::string& comm, int steps, int done) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, comm.c_str());
  for (const std::string& controller : TestCgroup::controllers()) cgroup.write(controller, "cgroup.procs", "0");
  Step step{.what = '-', .amount = 0};
  do {
    if (step.what == 'a') touch(-1, MAP_PRIVATE | MAP_ANONYMOUS, step.amount);
    if (step.what == 'h') touch_huge(step.amount);
    if (step.what == 'b') burn(step.amount);
    if (step.what == 's') burn_cpu(step.amount, true);
    if (step.what == 'r') read_own_pages(step.amount);
    if (step.what == 'm') burn_in_threads(step.amount, burn);
    if (step.what == 'p') ping_pong(step.amount);
    if (step.what == 'n') make_processes(step.amount);
    if (step.what == 't') make_threads(step.amount);
    if (step.what == 'i') use_device(step.device, false, step.amount, step.bytes);
    if (step.what == 'o') use_device(step.device, true, step.amount, step.bytes);
    if (step.what == 'd') discard(step.device, step.bytes);
    if (step.what == 'f') {
      const int file = memfd_create("cache", 0);
      if (ftruncate(file, static_cast<off_t>(step.amount * page)) != 0) _exit(4);
      touch(file, MAP_SHARED, step.amount);
    }
    if (write(done, "d", 1) != 1) _exit(5);
  } while (read(steps, &step, sizeof(step)) == sizeof(step));
  _exit(0);
}

void Workload::send_step(Step step) {
  REQUIRE(write(steps_.get(), &step, sizeof(step)) == sizeof(step));
}

void Workload::wait_done() {
  char byte = 0;
  REQUIRE(read(done_.get(), &byte, 1) == 1);
}

void Workload::touch_anonymous(std::size_t pages) {
  send_step({.what = 'a', .amount = pages});
  wait_done();
}

void Workload::touch_file(std::size_t pages) {
  send_step({.what = 'f', .amount = pages});
  wait_done();
}

void Workload::touch_huge_pages(std::size_t pages) {
  start_touching_huge_pages(pages);
  wait_done();
}

void Workload::start_touching_huge_pages(std::size_t pages) {
  send_step({.what = 'h', .amount = pages});
}

void Workload::read_file(std::size_t pages) {
  // Pages belong to the cgroup that read them first: out with them, so that it is this one.
  const Fd file(open(large_file, O_RDONLY | O_CLOEXEC));
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  send_step({.what = 'r', .amount = pages});
  wait_done();
}

void Workload::burn_cpu_ms(std::size_t ms) {
  send_step({.what = 'b', .amount = ms});
  wait_done();
}

void Workload::burn_system_ms(std::size_t ms) {
  send_step({.what = 's', .amount = ms});
  wait_done();
}

void Workload::read_device(int device, std::size_t requests, std::size_t bytes) {
  start_reading_device(device, requests, bytes);
  wait_done();
}

void Workload::write_device(int device, std::size_t requests, std::size_t bytes) {
  send_step({.what = 'o', .amount = requests, .device = device, .bytes = bytes});
  wait_done();
}

void Workload::discard_device(int device, std::size_t bytes) {
  send_step({.what = 'd', .amount = 1, .device = device, .bytes = bytes});
  wait_done();
}

void Workload::start_reading_device(int device, std::size_t requests, std::size_t bytes) {
  send_step({.what = 'i', .amount = requests, .device = device, .bytes = bytes});
}

void Workload::start_burning_ms(std::size_t ms) {
  send_step({.what = 'b', .amount = ms});
}

void Workload::start_burning_threads_ms(std::size_t ms) {
  send_step({.what = 'm', .amount = ms});
}

void Workload::start_ping_pong(std::size_t rounds) {
  send_step({.what = 'p', .amount = rounds});
}

void Workload::start_processes(std::size_t count) {
  send_step({.what = 'n', .amount = count});
}

void Workload::start_threads(std::size_t count) {
  send_step({.what = 't', .amount = count});
}

bool Workload::is_done() {
  pollfd ready{.fd = done_.get(), .events = POLLIN, .revents = 0};
  if (poll(&ready, 1, 0) <= 0) return false;
  wait_done();
  return true;
}

void Workload::start_touching(std::size_t pages) {
  send_step({.what = 'a', .amount = pages});
}

int Workload::run_out_of_memory(std::size_t pages) {
  start_touching(pages);
  return wait_end();
}

int Workload::wait_end() {
  int status = 0;
  REQUIRE(waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  return status;
}

void Workload::end() {
  steps_.reset();
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace katameter::guest
