#include "guest-probe/commands/start.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "guest-probe/commands/commands.h"
#include "guest-probe/server/listen_address.h"
#include "userspace/log.h"

namespace katameter::guest {
namespace {

std::string socket_folder() {
  return std::filesystem::path(default_socket).parent_path();
}

// Whoever started us waits for the end of what it reads from its pipes: none may stay open.
void let_go_of_descriptors(int keep) {
  int nothing = open("/dev/null", O_RDWR);
  if (nothing < 0) nothing = open("/", O_PATH);  // only to keep the numbers taken
  for (int standard = 0; standard <= 2; ++standard) dup2(nothing, standard);
  close_all_but({keep});
}

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool belongs_in_an_id(char c) {
  return std::string_view("-_.+").find(c) != std::string_view::npos || (c >= '0' && c <= '9') ||
         (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

using namespace std::chrono_literals;

constexpr std::size_t max_state_bytes = 1024 * 1024;
// The agent gives a hook ten seconds, and writes before it waits.
constexpr int state_timeout_ms = 2000;
// As patient as the unit is. A container that starts later has its hook try once more.
constexpr std::array<std::chrono::milliseconds, 5> retry_waits{1s, 2s, 4s, 8s, 16s};

// Where the lock cannot be taken, guest-probe itself ends if there is another.
Status start(const std::function<int()>& run) {
  Result<Fd> lock = lock_start();
  if (!lock && lock.error().code == EWOULDBLOCK) return {};
  if (connect_to(default_socket, 1)) return {};
  if (!lock) log_warning("guest-probe starts without the lock", {{"error", lock.error().text}});
  const Fd none;
  return daemonize(lock ? *lock : none, [&run] {
    const int status = try_again(run, retry_waits);
    if (status != 0) leave_no_folder();  // one that served has no right to
    return status;
  });
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

Status daemonize(const Fd& keep, const std::function<int()>& work) {
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

Result<std::string> container_in_state(std::string_view json) {
  // Only the outermost object's values are of interest; what is nested is not even kept.
  const auto flat = [](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) { return depth <= 1; };
  const nlohmann::json state = nlohmann::json::parse(json, flat, false);
  if (!state.is_object()) return failure("no container's state on stdin");
  const auto id = state.find("id");
  if (id == state.end() || !id->is_string()) return failure("a container's state without id on stdin");
  const std::string& name = id->get_ref<const std::string&>();
  if (name.empty() || name.size() > 256 || !std::all_of(name.begin(), name.end(), belongs_in_an_id)) {
    return failure("a container's state with an id that is none on stdin");
  }
  return name;
}

Result<std::string> read_hook_stdin(int fd, std::size_t bytes, int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  std::string text;
  std::array<char, 16384> part{};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready == 0) return failure("stdin has no end");
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t size = ready < 0 ? -1 : read(fd, part.data(), part.size());
    if (size < 0) return system_failure("cannot read stdin");
    if (size == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(size));
    if (text.size() > bytes) return failure("more on stdin than a container's state can be");
  }
}

int start_command(const std::function<int()>& run) {
  const Status status = start(run);
  if (!status) log_error("guest-probe is not started", {{"error", status.error().text}});
  return status ? exit_status::done : exit_status::failed;
}

int prestart_command(const std::function<int()>& run) {
  start_log(LogLevel::info);
  const Result<std::string> state = read_hook_stdin(STDIN_FILENO, max_state_bytes, state_timeout_ms);
  const Result<std::string> container = state ? container_in_state(*state) : state;
  if (!container) log_warning("prestart hook: no container id", {{"error", container.error().text}});
  start_command([&] {
    start_log_in_background(LogLevel::info);
    if (container) log_info("started by a hook", {{"container", *container}});
    return run();
  });
  return exit_status::done;
}

}  // namespace katameter::guest
