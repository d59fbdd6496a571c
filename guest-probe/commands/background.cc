#include "guest-probe/commands/background.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <filesystem>

#include "guest-probe/commands/commands.h"

namespace katameter::guest {
namespace {

std::string socket_folder() {
  return std::filesystem::path(default_socket).parent_path();
}

void close_from(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
  for (unsigned fd = first; fd <= std::min(last, 1024U); ++fd) close(static_cast<int>(fd));
}

// Whoever started us waits for the end of what it reads from its pipes: none may stay open.
void let_go_of_descriptors(int keep) {
  int nothing = open("/dev/null", O_RDWR);
  if (nothing < 0) nothing = open("/", O_PATH);  // only to keep the numbers taken
  for (int standard = 0; standard <= 2; ++standard) dup2(nothing, standard);
  if (keep <= 2) return close_from(3, UINT_MAX);
  close_from(3, static_cast<unsigned>(keep) - 1);
  close_from(static_cast<unsigned>(keep) + 1, UINT_MAX);
}

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Result<Fd> lock_start() {
  const std::string folder = socket_folder();
  Fd lock;
  // One whose start has failed may remove the folder in between.
  for (int attempt = 0; attempt < 3 && !lock; ++attempt) {
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return system_failure("cannot make " + folder);
    lock = Fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock && errno != ENOENT) break;
  }
  if (!lock) return system_failure("cannot open " + folder);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return system_failure("cannot lock " + folder);
  return lock;
}

void leave_no_folder() {
  rmdir(socket_folder().c_str());
}

Status run_in_background(const Fd& keep, const std::function<int()>& work) {
  // Once is enough: whoever calls this ends next, and init becomes the parent.
  const pid_t child = fork();
  if (child < 0) return system_failure("cannot start a process");
  if (child > 0) return {};
  setsid();
  let_go_of_descriptors(keep.get());
  reset_signals();
  umask(0077);
  if (chdir("/") != 0) _exit(1);
  _exit(work());
}

int try_again(const std::function<int()>& run, std::span<const std::chrono::milliseconds> waits) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  for (const std::chrono::milliseconds wait : waits) {
    const int status = run();
    if (status != exit_status::failed) return status;
    log_warning("retrying", {{"wait_ms", wait.count()}});
    const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
    const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(wait - seconds).count()};
    if (sigtimedwait(&ends, nullptr, &timeout) > 0) return exit_status::done;
  }
  const int status = run();
  if (status == exit_status::failed) log_error("giving up", {{"attempts", waits.size() + 1}});
  return status;
}

void start_log_in_background(LogLevel level) {
  start_log(level);
  static_cast<void>(start_kernel_log(level, "guest-probe"));
}

}  // namespace katameter::guest
