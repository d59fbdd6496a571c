// usage: oom_race SOCKET CGROUP KILLS
//
// Has a process in the memory cgroup CGROUP killed for want of memory KILLS times, and prints of each how long after the
// kill its event came from the guest-probe at SOCKET and its line from the kernel's log, in microseconds: "EVENT LINE".
// When the kill was is what the event says. A thread waits for each, as two readers would.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "bench/guest/host_side.h"

using namespace katameter;

namespace {

constexpr std::size_t hog_bytes = std::size_t{64} << 20;

std::uint64_t boottime_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void hog(const std::string& cgroup) {
  const int procs = open((cgroup + "/cgroup.procs").c_str(), O_WRONLY);
  if (procs < 0 || write(procs, "0", 1) != 1) _exit(1);
  void* memory = mmap(nullptr, hog_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memset(memory, 1, hog_bytes);
  _exit(1);  // it was not killed
}

// When the line of the next kill has come.
std::uint64_t wait_for_line(int log) {
  char line[8192];
  while (true) {
    const ssize_t size = read(log, line, sizeof(line) - 1);
    if (size < 0) std::exit(1);
    line[size] = '\0';
    if (std::strstr(line, "Killed process") != nullptr) return boottime_ns();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int kills = argc == 4 ? std::atoi(argv[3]) : 0;
  const int log = open("/dev/kmsg", O_RDONLY);
  if (kills <= 0 || log < 0 || lseek(log, 0, SEEK_END) < 0) {
    std::fprintf(stderr, "usage: oom_race SOCKET CGROUP KILLS (reads /dev/kmsg)\n");
    return 2;
  }
  bench::HostSide host(argv[1]);
  (void)host.collect();
  for (int i = 0; i < kills; ++i) {
    std::uint64_t line_ns = 0;
    std::thread reader([&] { line_ns = wait_for_line(log); });
    const pid_t child = fork();
    if (child == 0) hog(argv[2]);
    const wire::OomEvent event = host.wait_for_event();
    const std::uint64_t event_ns = boottime_ns();
    reader.join();
    host.acknowledge();
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || event.victim_pid != static_cast<std::uint32_t>(child)) {
      std::fprintf(stderr, "oom_race: the event is not of the process that was to be killed\n");
      return 1;
    }
    std::printf("%.1f %.1f\n", static_cast<double>(event_ns - event.boottime_ns) / 1e3,
                static_cast<double>(line_ns - event.boottime_ns) / 1e3);
  }
  return 0;
}
