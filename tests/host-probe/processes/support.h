#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tests/support/units.h"
#include "userspace/fd.h"
#include "userspace/wire/container_id.h"

// Processes that look like those of sandboxes, and what /proc says of them.
namespace katameter::host::testing {

/// A sandbox id that no other call gave.
ContainerId fresh_id();

/// The tests' actor (actor.cc), running under another name. Ends with its object.
class Actor {
 public:
  Actor(const std::string& file_name, const std::vector<std::string>& arguments, uid_t user = 0);
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  /// As Kata would start them.
  static Actor qemu(const ContainerId& sandbox);
  static Actor virtiofsd(const ContainerId& sandbox);
  static Actor shim(const ContainerId& sandbox, const std::string& file_name = "containerd-shim-kata-v2",
                    uid_t user = 0);

  pid_t pid() const { return pid_; }
  const std::filesystem::path& directory() const { return directory_.path(); }
  /// Has it do something (actor.cc) and waits until it is done.
  std::int64_t tell(const std::string& command);
  /// The two halves of tell(), to look at it while it works.
  void begin(const std::string& command);
  std::int64_t finish();
  bool busy();
  /// Ends it and waits for it; what the kernel says it used.
  rusage end();

 private:
  std::string answer();

  katameter::testing::TemporaryDirectory directory_;
  pid_t pid_ = -1;
  Fd input_;
  Fd output_;
};

/// A socket that nobody listens at, as by which discovery finds a sandbox; its directory is made.
void make_socket(const std::filesystem::path& path);
/// Waits until no thread of the process runs or wants to, for a minute at most.
void wait_asleep(pid_t pid);
/// CPU time by the process's clock, which also brings the kernel's own sums up to date.
std::uint64_t process_cpu_ns(pid_t pid);
/// Sum of the second field of /proc/<pid>/task/*/schedstat, of threads with a name that begins so.
std::uint64_t run_delay_ns(pid_t pid, const std::string& comm = "");
/// The same of the first field: time on a CPU.
std::uint64_t thread_cpu_ns(pid_t pid, const std::string& comm);
/// A line of /proc/<pid>/status in bytes.
std::uint64_t status_bytes(pid_t pid, const std::string& field);
/// A field of /proc/<pid>/stat, counted from 1 as in proc(5); from 4 on.
std::uint64_t stat_field(pid_t pid, int field);
/// A line of /proc/<pid>/io.
std::uint64_t io_bytes(pid_t pid, const std::string& field);
/// A copy of the actor under the file name, in the actor's own folder.
std::string copy_actor(const Actor& beside, const std::string& file_name);
/// 512 * st_blocks of an open file of another process.
std::uint64_t file_bytes(pid_t pid, std::int64_t descriptor);

inline std::uint64_t cpu_ns(const rusage& usage) {
  const auto us =
      (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  return static_cast<std::uint64_t>(us) * 1000;
}

}  // namespace katameter::host::testing
