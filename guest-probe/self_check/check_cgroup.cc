#include "guest-probe/self_check/check_cgroup.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "guest-probe/self_check/own_cgroup.h"

namespace katameter {
namespace {

constexpr std::size_t kept_bytes = CheckCgroup::kept_bytes;
constexpr std::size_t file_bytes = CheckCgroup::file_bytes;
constexpr std::size_t freed_bytes = 256 * 1024;  // makes the peak another number than the usage
// Above what the process uses, and a number that no other field has by chance.
constexpr std::string_view limit_bytes = "50192384";
// A period so short that some end while the process burns its CPU time, and a quota that it hardly feels.
constexpr std::string_view cpu_period_us = "1013";
constexpr std::string_view cpu_quota_us = "1009";
constexpr std::string_view cpu_shares = "1777";
constexpr std::string_view pids_most = "4711";

// The top folders of cgroups are r-xr-xr-x even to root: without CAP_DAC_OVERRIDE it lies beside our own cgroup, where a
// service manager that made one for us lets root in.
Status make_directory(const std::string& mount, std::string_view controller, std::string& path, std::uint64_t& id) {
  const std::string name = "/katameter-check-" + std::to_string(getpid());
  const auto make = [&path](std::string wanted) {
    path = std::move(wanted);
    return mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
  };
  bool there = make(mount + name);
  if (!there && errno == EACCES) there = make(mount + folder_of_own_cgroup(controller) + name);
  struct stat made {};
  if (!there || stat(path.c_str(), &made) != 0) {
    path.clear();
    return system_failure("cannot make a cgroup in " + mount);
  }
  id = made.st_ino;
  return {};
}

bool write_file(const std::string& path, std::string_view text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
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

// The process in the cgroup; only system calls, for it is a fork that never execs.
[[noreturn]] void use_something(std::initializer_list<std::string_view> directories, int ready, int alive) {
  const bool joined = std::all_of(directories.begin(), directories.end(), [](std::string_view directory) {
    return directory.empty() || write_file(std::string(directory) + "/cgroup.procs", "0");
  });
  const auto map = [](std::size_t bytes) {
    return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  const int file = memfd_create("katameter-check", MFD_CLOEXEC);
  void* cached = MAP_FAILED;
  if (ftruncate(file, file_bytes) == 0) {
    cached = mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  const std::array<char, CheckCgroup::unmapped_bytes> unmapped{};
  if (cached == MAP_FAILED) _exit(1);
  void* kept = map(kept_bytes);
  void* freed = map(freed_bytes);
  if (joined && kept != MAP_FAILED && freed != MAP_FAILED) {
    touch(kept, kept_bytes);
    touch(cached, file_bytes);
    if (pwrite(file, unmapped.data(), unmapped.size(), file_bytes) < 0) _exit(1);
    touch(freed, freed_bytes);
    munmap(freed, freed_bytes);
    burn_cpu(CheckCgroup::burnt_ns);
    char byte = 'r';
    if (write(ready, &byte, 1) == 1 && read(alive, &byte, 1) == 0) _exit(0);
  }
  _exit(1);
}

Result<std::uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  // v2 writes "max" for PAGE_COUNTER_MAX pages (include/linux/page_counter.h), v1 the bytes.
  if (file >> text && text == "max") {
    const auto page = static_cast<std::uint64_t>(getpagesize());
    return static_cast<std::uint64_t>(INT64_MAX) / page * page;
  }
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != 0) return failure("cannot read a number from " + path);
  return value;
}

Result<std::map<std::string, std::uint64_t>> read_table(const std::string& path) {
  std::ifstream in(path);
  std::map<std::string, std::uint64_t> table;
  std::string key;
  std::uint64_t value = 0;
  while (in >> key >> value) table[key] = value;
  if (table.empty()) return failure("cannot read " + path);
  return table;
}

}  // namespace

Result<CheckCgroup> CheckCgroup::make(const std::string& cpuacct_mount, const std::string& memory_mount,
                                      const std::string& cpu_mount, const std::string& pids_mount) {
  CheckCgroup cgroup;
  const auto make_in = [](const std::string& mount, std::string_view controller, std::string& path, std::uint64_t& id) {
    return mount.empty() ? Status() : make_directory(mount, controller, path, id);
  };
  if (Status made = make_in(cpu_mount, "cpu", cgroup.cpu_, cgroup.cpu_id_); !made) return failure_from(made.error());
  if (Status made = make_in(pids_mount, "pids", cgroup.pids_, cgroup.pids_id_); !made) {
    return failure_from(made.error());
  }
  if (Status made = make_in(cpuacct_mount, "cpuacct", cgroup.cpuacct_, cgroup.cpuacct_id_); !made) {
    return failure_from(made.error());
  }
  if (Status made = make_in(memory_mount, "memory", cgroup.memory_, cgroup.memory_id_); !made) {
    return failure_from(made.error());
  }
  if (!cgroup.cpu_.empty()) {
    // Where one of these is not taken, the defaults are compared.
    write_file(cgroup.cpu_ + "/cpu.cfs_period_us", cpu_period_us);
    write_file(cgroup.cpu_ + "/cpu.cfs_quota_us", cpu_quota_us);
    write_file(cgroup.cpu_ + "/cpu.shares", cpu_shares);
  }
  if (!cgroup.pids_.empty()) write_file(cgroup.pids_ + "/pids.max", pids_most);
  if (!cgroup.memory_.empty() && !write_file(cgroup.memory_ + "/memory.limit_in_bytes", limit_bytes) &&
      !write_file(cgroup.memory_ + "/memory.max", limit_bytes)) {  // v2
    return system_failure("cannot set a limit in " + cgroup.memory_);
  }
  if (Status status = cgroup.start_process(); !status) return failure_from(status.error());
  return cgroup;
}

CheckCgroup::CheckCgroup(CheckCgroup&& other) noexcept
    : cpuacct_(std::exchange(other.cpuacct_, {})),
      memory_(std::exchange(other.memory_, {})),
      cpu_(std::exchange(other.cpu_, {})),
      pids_(std::exchange(other.pids_, {})),
      cpuacct_id_(other.cpuacct_id_),
      memory_id_(other.memory_id_),
      cpu_id_(other.cpu_id_),
      pids_id_(other.pids_id_),
      process_(std::exchange(other.process_, -1)),
      alive_(std::move(other.alive_)) {}

CheckCgroup::~CheckCgroup() {
  alive_.reset();
  if (process_ > 0) waitpid(process_, nullptr, 0);
  // A process that has been waited for may still hold the cgroup for a moment.
  for (const std::string& directory : {cpuacct_, memory_, cpu_, pids_}) {
    for (int attempt = 0; attempt < 100 && !directory.empty() && rmdir(directory.c_str()) != 0; ++attempt) {
      if (errno != EBUSY) break;
      usleep(1000);
    }
  }
}

Status CheckCgroup::start_process() {
  std::array<int, 2> ready{};
  std::array<int, 2> alive{};
  if (pipe2(ready.data(), O_CLOEXEC) != 0) return system_failure("cannot make a pipe");
  const Fd ready_read(ready[0]);
  Fd ready_write(ready[1]);
  if (pipe2(alive.data(), O_CLOEXEC) != 0) return system_failure("cannot make a pipe");
  Fd alive_read(alive[0]);
  alive_ = Fd(alive[1]);

  process_ = fork();
  if (process_ < 0) return system_failure("cannot start a process for the self-check");
  if (process_ == 0) {
    alive_.reset();
    use_something({cpuacct_, memory_, cpu_, pids_}, ready_write.get(), alive_read.get());
  }
  ready_write.reset();
  char byte = 0;
  if (read(ready_read.get(), &byte, 1) != 1) return failure("the self-check's process could not enter its cgroup");
  return {};
}

bool CheckCgroup::write_cpuacct(const std::string& file, const std::string& text) const {
  return write_file(cpuacct_ + "/" + file, text);
}

Result<std::uint64_t> CheckCgroup::read_cpuacct(const std::string& file) const {
  return read_number(cpuacct_ + "/" + file);
}

Result<std::uint64_t> CheckCgroup::read_memory(const std::string& file) const {
  return read_number(memory_ + "/" + file);
}

Result<std::uint64_t> CheckCgroup::read_cpu(const std::string& file) const {
  return read_number(cpu_ + "/" + file);
}

Result<std::uint64_t> CheckCgroup::read_pids(const std::string& file) const {
  return read_number(pids_ + "/" + file);
}

Result<std::map<std::string, std::uint64_t>> CheckCgroup::read_memory_table(const std::string& file) const {
  return read_table(memory_ + "/" + file);
}

Result<std::map<std::string, std::uint64_t>> CheckCgroup::read_cpuacct_table(const std::string& file) const {
  return read_table(cpuacct_ + "/" + file);
}

Result<std::map<std::string, std::uint64_t>> CheckCgroup::read_cpu_table(const std::string& file) const {
  return read_table(cpu_ + "/" + file);
}

}  // namespace katameter
