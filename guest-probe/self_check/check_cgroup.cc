#include "guest-probe/self_check/check_cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "guest-probe/self_check/check_process.h"

namespace katameter::guest {
namespace {

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

tl::unexpected<Error> failure_of(const CheckReport& report, const std::array<CheckPlace, check_places>& places) {
  if (report.outcome == CheckReport::no_directory) {
    return system_failure("cannot make a cgroup in " + places[static_cast<std::size_t>(report.failed)].mount,
                          report.code);
  }
  return system_failure("the self-check's process could not use its cgroup", report.code);
}

}  // namespace

Result<CheckCgroup> CheckCgroup::make(const Mounts& mounts) {
  const std::array<CheckPlace, check_places> places{
      {{"cpuacct", mounts.cpuacct}, {"memory", mounts.memory}, {"cpu", mounts.cpu}, {"pids", mounts.pids}}};
  std::array<int, 2> ready{};
  std::array<int, 2> alive{};
  if (pipe2(ready.data(), O_CLOEXEC) != 0) return system_failure("cannot make a pipe");
  const Fd ready_read(ready[0]);
  Fd ready_write(ready[1]);
  if (pipe2(alive.data(), O_CLOEXEC) != 0) return system_failure("cannot make a pipe");
  const Fd alive_read(alive[0]);
  CheckCgroup cgroup;
  cgroup.alive_ = Fd(alive[1]);
  cgroup.made_ns_ = monotonic_ns();
  cgroup.process_ = fork();
  if (cgroup.process_ < 0) return system_failure("cannot start a process for the self-check");
  if (cgroup.process_ == 0) run_check_process(places, ready_write.get(), alive_read.get());
  ready_write.reset();
  CheckReport report;
  if (read(ready_read.get(), &report, sizeof(report)) != sizeof(report)) {
    return failure("the self-check's process has ended");
  }
  if (report.outcome != CheckReport::in_cgroup) return failure_of(report, places);
  for (std::size_t i = 0; i < controllers; ++i) {
    cgroup.directories_[i] = check_directory(places[i], report.where[i], cgroup.process_);
    struct stat found {};
    if (stat(cgroup.directories_[i].c_str(), &found) == 0) cgroup.ids_[i] = found.st_ino;
  }
  cgroup.has_memory_ = access(cgroup.path(memory, "memory.stat").c_str(), F_OK) == 0;
  return cgroup;
}

CheckCgroup::CheckCgroup(CheckCgroup&& other) noexcept
    : directories_(std::move(other.directories_)),
      ids_(other.ids_),
      has_memory_(other.has_memory_),
      made_ns_(other.made_ns_),
      process_(std::exchange(other.process_, -1)),
      alive_(std::move(other.alive_)) {}

CgroupDirectories CheckCgroup::directories() const {
  const auto of = [&](Controller controller) {
    return directories_[directories_[controller].empty() ? cpuacct : controller];
  };
  CgroupDirectories all;
  all.cpuacct = of(cpuacct);
  all.cpu = of(cpu);
  all.pids = of(pids);
  all.memory = of(memory);
  all.cpuset = of(cpuacct);
  return all;
}

std::uint64_t CheckCgroup::age_ns() const {
  return monotonic_ns() - made_ns_;
}

CheckCgroup::~CheckCgroup() {
  alive_.reset();
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

}  // namespace katameter::guest
