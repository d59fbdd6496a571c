#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <set>

#include "guest-probe/bpf/cgroup_mounts.h"
#include "guest-probe/self_check/check_process.h"
#include "tests/vm/daemon.h"
#include "userspace/fd.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// In which guest-probe makes one: those of these controllers, or that of cgroup v2.
std::set<std::string> cgroup_roots() {
  const Result<CgroupMounts> mounts = read_cgroup_mounts();
  REQUIRE(mounts);
  std::set<std::string> roots;
  for (const char* controller : {"cpuacct", "cpu", "memory", "pids"}) {
    if (const auto found = mounts->v1.find(controller); found != mounts->v1.end()) roots.insert(found->second);
  }
  if (roots.empty()) roots.insert(mounts->v2);
  return roots;
}

std::set<std::string> check_cgroups(const std::set<std::string>& roots) {
  std::set<std::string> found;
  for (const std::string& root : roots) {
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (entry.path().filename().string().starts_with(check_cgroup_prefix)) found.insert(entry.path());
    }
  }
  return found;
}

// Tells when a directory is made in a root, also one that was removed again before anybody could list it.
class DirectoryWatch {
 public:
  explicit DirectoryWatch(const std::set<std::string>& roots) : events_(inotify_init1(IN_CLOEXEC)) {
    REQUIRE(events_);
    for (const std::string& root : roots) REQUIRE(inotify_add_watch(events_.get(), root.c_str(), IN_CREATE) >= 0);
  }

  // Whether one whose name starts with `prefix` was made, or is within the time given.
  bool sees(std::string_view prefix, std::chrono::milliseconds within) {
    const auto end = std::chrono::steady_clock::now() + within;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      pollfd ready{.fd = events_.get(), .events = POLLIN, .revents = 0};
      if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0) return false;
      alignas(inotify_event) std::array<char, 4096> buffer{};
      const ssize_t size = read(events_.get(), buffer.data(), buffer.size());
      REQUIRE(size > 0);
      for (size_t at = 0; at < static_cast<size_t>(size);) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        if (event->len > 0 && std::string_view(event->name).starts_with(prefix)) return true;
        at += sizeof(inotify_event) + event->len;
      }
    }
  }

 private:
  Fd events_;
};

pid_t start_probe() {
  const pid_t probe = fork();
  REQUIRE(probe >= 0);
  if (probe == 0) {
    execl(GUEST_PROBE, GUEST_PROBE, "run", "--pin-dir", "", "--listen", "unix:/run/katameter-vm-killed", nullptr);
    _exit(127);
  }
  return probe;
}

void kill_probe(pid_t probe) {
  kill(probe, SIGKILL);
  REQUIRE(waitpid(probe, nullptr, 0) == probe);
}

bool are_gone(const std::set<std::string>& roots) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    if (check_cgroups(roots).empty()) return true;
    usleep(50'000);
  }
  return false;
}

}  // namespace

TEST_CASE("A start that is killed at any moment leaves no cgroup behind", "[any][life]") {
  const std::set<std::string> roots = cgroup_roots();
  REQUIRE(check_cgroups(roots).empty());

  // Killed as soon as the cgroup is seen, and some time after that.
  for (const useconds_t later_us : {0u, 3'000u, 20'000u, 100'000u}) {
    DirectoryWatch watch(roots);
    const pid_t probe = start_probe();
    const bool seen = watch.sees(check_cgroup_prefix, std::chrono::seconds(60));
    usleep(later_us);
    kill_probe(probe);
    INFO("killed " << later_us << " us after its cgroup was there");
    CHECK(seen);
    CHECK(are_gone(roots));
  }
  // At moments that have nothing to do with it.
  for (const useconds_t after_us : {50'000u, 300'000u, 700'000u, 1'300'000u}) {
    const pid_t probe = start_probe();
    usleep(after_us);
    kill_probe(probe);
    INFO("killed " << after_us << " us after its start");
    CHECK(are_gone(roots));
  }
}

TEST_CASE("What an earlier start could not remove, the next one does, and leaves alone what another one is using",
          "[any][life]") {
  const std::set<std::string> roots = cgroup_roots();
  const pid_t ended = fork();
  REQUIRE(ended >= 0);
  if (ended == 0) _exit(0);
  REQUIRE(waitpid(ended, nullptr, 0) == ended);
  std::set<std::string> used;
  for (const std::string& root : roots) {
    const std::string prefix = root + "/" + std::string(check_cgroup_prefix);
    REQUIRE(mkdir((prefix + std::to_string(ended)).c_str(), 0755) == 0);
    REQUIRE(mkdir((prefix + std::to_string(getpid())).c_str(), 0755) == 0);
    used.insert(prefix + std::to_string(getpid()));
  }
  {
    const Daemon daemon;
    std::set<std::string> left = check_cgroups(roots);
    for (const std::string& each : used) left.erase(each);
    CHECK(left.empty());
    for (const std::string& each : used) CHECK(std::filesystem::exists(each));
  }
  for (const std::string& root : roots) {
    const std::string prefix = root + "/" + std::string(check_cgroup_prefix);
    rmdir((prefix + std::to_string(ended)).c_str());
    rmdir((prefix + std::to_string(getpid())).c_str());
  }
}
