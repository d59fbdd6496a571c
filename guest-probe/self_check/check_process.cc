#include "guest-probe/self_check/check_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "guest-probe/bpf/cgroup_mounts.h"
#include "guest-probe/self_check/check_cgroup.h"
#include "guest-probe/self_check/kernel_files.h"

namespace katameter::guest {
namespace {

constexpr std::size_t freed_bytes = 256 * 1024;  // makes the peak another number than the usage
// Given up by MADV_FREE, which puts anonymous pages among the inactive ones of files: in an initrd guest there may be no
// other page of that kind. A CPU moves them 31 at a time.
constexpr std::size_t given_up_bytes = std::size_t{97} * 4096;

struct Setting {
  const char* file;
  std::string_view value;
};

// Numbers that no other field has by chance; where one is not taken, the default is compared. A period so short that some
// end while the process burns its CPU time, and a quota that it hardly feels; memory above what it uses.
constexpr std::array settings{
    Setting{"cpu.cfs_period_us", "1013"}, Setting{"cpu.cfs_quota_us", "1009"},
    Setting{"cpu.shares", "1777"},        Setting{"memory.limit_in_bytes", "50192384"},
    Setting{"cpu.max", "70009 90011"},    Setting{"cpu.weight", "77"},
    Setting{"memory.max", "50192384"},    Setting{"pids.max", "4711"},
};

bool is_alive(pid_t process) {
  return kill(process, 0) == 0 || errno != ESRCH;
}

// The folder is one of cgroups: only cgroups can be removed there, and none that has a process or a cgroup in it.
void sweep(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (std::string name = entry->path().filename(); name.starts_with(check_cgroup_prefix)) names.push_back(name);
  }
  for (const std::string& name : leftovers(names, &is_alive)) {
    rmdir((std::filesystem::path(folder) / name).c_str());
  }
}

void touch(void* memory, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 4096) static_cast<volatile char*>(memory)[i] = 1;
}

void burn_cpu(std::uint64_t ns) {
  timespec used{};
  do {
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  } while (used.tv_sec == 0 && static_cast<std::uint64_t>(used.tv_nsec) < ns);
}

void* map_anonymous(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  touch(memory, bytes);
  return memory;
}

bool use_file() {
  const int file = memfd_create("katameter-check", MFD_CLOEXEC);
  if (ftruncate(file, CheckCgroup::file_bytes) != 0) return false;
  void* cached = mmap(nullptr, CheckCgroup::file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (cached == MAP_FAILED) return false;
  touch(cached, CheckCgroup::file_bytes);
  const std::array<char, CheckCgroup::unmapped_bytes> unmapped{};
  return pwrite(file, unmapped.data(), unmapped.size(), CheckCgroup::file_bytes) > 0;
}

bool use_something() {
  if (map_anonymous(CheckCgroup::kept_bytes) == nullptr || !use_file()) return false;
  void* given_up = map_anonymous(given_up_bytes);
  void* freed = map_anonymous(freed_bytes);
  if (given_up == nullptr || freed == nullptr) return false;
  madvise(given_up, given_up_bytes, MADV_FREE);
  munmap(freed, freed_bytes);
  burn_cpu(CheckCgroup::burnt_ns);
  return true;
}

// One cgroup for each place; in cgroup v2 several are the same.
class Cgroups {
 public:
  explicit Cgroups(const std::array<CheckPlace, check_places>& places) : places_(places) {
    for (const CheckPlace& place : places_) {
      if (place.mount.empty()) continue;
      sweep(place.mount);
      if (const std::string folder = folder_of_own_cgroup(place.controller); !folder.empty()) {
        sweep(place.mount + folder);
      }
    }
  }

  CheckReport make() {
    CheckReport report;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i].mount.empty()) continue;
      report.where[i] = make(i);
      if (report.where[i] != CheckReport::left_out) continue;
      report.outcome = CheckReport::no_directory;
      report.code = errno;
      report.failed = static_cast<int>(i);
      return report;
    }
    for (const std::string& directory : directories_) {
      for (const Setting& setting : settings) write_file(directory + "/" + setting.file, setting.value);
    }
    return report;
  }

  bool join() const {
    return std::all_of(directories_.begin(), directories_.end(), [](const std::string& directory) {
      return directory.empty() || write_file(directory + "/cgroup.procs", "0");
    });
  }

  void leave_and_remove() const {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (directories_[i].empty()) continue;
      const std::string& mount = places_[i].mount;
      if (!write_file(mount + homes_[i] + "/cgroup.procs", "0")) write_file(mount + "/cgroup.procs", "0");
    }
    for (const std::string& directory : directories_) {
      // One that has just been left may be held for a moment.
      for (int attempt = 0; attempt < 100 && !directory.empty() && rmdir(directory.c_str()) != 0; ++attempt) {
        if (errno != EBUSY) break;
        usleep(1000);
      }
    }
  }

 private:
  // The top folders of cgroups are r-xr-xr-x even to root: without CAP_DAC_OVERRIDE it lies beside our own cgroup, where
  // a service manager that made one for us lets root in.
  CheckReport::Where make(std::size_t i) {
    homes_[i] = own_cgroup_of(places_[i].controller);
    for (const auto where : {CheckReport::at_the_top, CheckReport::beside_own}) {
      const std::string wanted = check_directory(places_[i], where, getpid());
      if (mkdir(wanted.c_str(), 0755) == 0 || errno == EEXIST) {
        directories_[i] = wanted;
        return where;
      }
      if (errno != EACCES) break;
    }
    return CheckReport::left_out;
  }

  const std::array<CheckPlace, check_places>& places_;
  std::array<std::string, check_places> homes_;  // where this process came from
  std::array<std::string, check_places> directories_;
};

}  // namespace

std::string check_directory(const CheckPlace& place, CheckReport::Where where, pid_t process) {
  if (where == CheckReport::left_out) return "";
  const std::string folder = where == CheckReport::beside_own ? folder_of_own_cgroup(place.controller) : "";
  return place.mount + folder + "/" + std::string(check_cgroup_prefix) + std::to_string(process);
}

std::vector<std::string> leftovers(const std::vector<std::string>& names, bool (*is_alive)(pid_t)) {
  std::vector<std::string> left;
  for (const std::string& name : names) {
    if (!name.starts_with(check_cgroup_prefix)) continue;
    pid_t process = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + check_cgroup_prefix.size(), end, process);
    if (parsed.ec == std::errc() && parsed.ptr == end && process > 0 && !is_alive(process)) left.push_back(name);
  }
  return left;
}

void run_check_process(const std::array<CheckPlace, check_places>& places, int ready, int alive) {
  // It has to come to its end: what ends guest-probe is not to end this one as well, nor is a pipe without a reader.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  // It outlives a guest-probe that is killed: the next one is to find the socket and the lock free.
  close_all_but({ready, alive});
  Cgroups cgroups(places);
  CheckReport report = cgroups.make();
  if (report.outcome == CheckReport::in_cgroup && !(cgroups.join() && use_something())) {
    report.outcome = CheckReport::not_joined;
    report.code = errno;
  }
  char byte = 0;
  if (write(ready, &report, sizeof(report)) == sizeof(report)) {
    while (read(alive, &byte, 1) < 0 && errno == EINTR) {
    }
  }
  cgroups.leave_and_remove();
  _exit(0);
}

}  // namespace katameter::guest
