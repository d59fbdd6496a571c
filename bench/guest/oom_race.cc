// usage: oom_race SOCKET CGROUP KILLS HOST-PROBE-LOG
//
// Has a process in the memory cgroup CGROUP killed for want of memory KILLS times, and prints of each how long after the
// kill, in microseconds, its event came from the guest-probe at SOCKET, host-probe had counted it, which is when it says so
// in the pipe HOST-PROBE-LOG, and the kernel's log had its line: "EVENT COUNTED LINE". When the kill was is what the event
// says. A thread waits for each, as readers of their own would.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <thread>

#include "tests/support/host_peer.h"

using namespace katameter;
using namespace katameter::guest;

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

// When the next line with `text` has come.
std::uint64_t wait_for_line(int log, const char* text) {
  char line[8192];
  while (true) {
    const ssize_t size = read(log, line, sizeof(line) - 1);
    if (size <= 0) {
      std::fprintf(stderr, "oom_race: no line with '%s' came\n", text);
      std::exit(1);
    }
    line[size] = '\0';
    if (std::strstr(line, text) != nullptr) return boottime_ns();
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const int kills = argc == 5 ? std::atoi(argv[3]) : 0;
  const int log = open("/dev/kmsg", O_RDONLY);
  const int log_of_host = argc == 5 ? open(argv[4], O_RDONLY) : -1;
  if (kills <= 0 || log_of_host < 0 || log < 0 || lseek(log, 0, SEEK_END) < 0) {
    std::fprintf(stderr, "usage: oom_race SOCKET CGROUP KILLS HOST-PROBE-LOG (reads /dev/kmsg)\n");
    return 2;
  }
  // Once host-probe is connected there, it has what this program has.
  wait_for_line(log_of_host, "guest connected");
  HostPeer host(argv[1]);
  (void)host.collect();
  for (int i = 0; i < kills; ++i) {
    std::uint64_t line_ns = 0;
    std::uint64_t counted_ns = 0;
    std::thread reader([&] { line_ns = wait_for_line(log, "Killed process"); });
    std::thread counter([&] { counted_ns = wait_for_line(log_of_host, "msg=\"oom kill\" sandbox="); });
    const pid_t child = fork();
    if (child == 0) hog(argv[2]);
    const wire::OomEvent event = host.wait_for_event();
    const std::uint64_t event_ns = boottime_ns();
    reader.join();
    counter.join();
    host.acknowledge();
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || event.victim_pid != static_cast<std::uint32_t>(child)) {
      std::fprintf(stderr, "oom_race: the event is not of the process that was to be killed\n");
      return 1;
    }
    const auto after = [&](std::uint64_t moment) { return static_cast<double>(moment - event.boottime_ns) / 1e3; };
    std::printf("%.1f %.1f %.1f\n", after(event_ns), after(counted_ns), after(line_ns));
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "oom_race: %s\n", error.what());
  return 1;
}
