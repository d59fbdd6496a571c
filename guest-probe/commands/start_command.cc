#include <unistd.h>

#include <array>
#include <chrono>

#include "guest-probe/commands/background.h"
#include "guest-probe/commands/commands.h"
#include "guest-probe/commands/container_state.h"
#include "guest-probe/server/listen_address.h"
#include "userspace/log.h"

namespace katameter::guest {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_state_bytes = 1024 * 1024;
// The agent gives a hook ten seconds, and writes before it waits.
constexpr int state_timeout_ms = 2000;
// As patient as the unit is. A container that starts later has its hook try once more.
constexpr std::array<std::chrono::milliseconds, 5> retry_waits{1s, 2s, 4s, 8s, 16s};

// Where it cannot be told, guest-probe itself ends if there is another.
Status start(const std::function<int()>& run) {
  Result<Fd> lock = lock_start();
  if (!lock && lock.error().code == EWOULDBLOCK) return {};
  if (connect_to(default_socket, 1)) return {};
  if (!lock) log_warning("guest-probe starts without the lock", {{"error", lock.error().text}});
  const Fd none;
  return run_in_background(lock ? *lock : none, [&run] {
    const int status = try_again(run, retry_waits);
    if (status != 0) leave_no_folder();  // one that served has no right to
    return status;
  });
}

}  // namespace

int start_command(const std::function<int()>& run) {
  const Status status = start(run);
  if (!status) log_error("guest-probe is not started", {{"error", status.error().text}});
  return status ? exit_status::done : exit_status::failed;
}

int prestart_command(const std::function<int()>& run) {
  start_log(LogLevel::info);
  const Result<std::string> state = read_state(STDIN_FILENO, max_state_bytes, state_timeout_ms);
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
