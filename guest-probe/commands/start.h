#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "userspace/fd.h"
#include "userspace/log.h"
#include "userspace/result.h"

namespace katameter::guest {

/// The right to start guest-probe in the background, held by one process at a time: a lock on the folder of its socket
/// that goes with the descriptor, to whoever inherits it. EWOULDBLOCK: one has it. Any other error: the folder cannot be
/// made or opened.
Result<Fd> lock_start();
/// Removes the folder that was made for it, if there is nothing else in it.
void leave_no_folder();

/// Runs `work` in a process that has nothing of this one's but its code: its own session, / as its folder, /dev/null in
/// place of the standard descriptors, no other descriptor than `keep`, signals as at the start of a program. It ends with
/// what `work` returns; whoever takes in the orphans of this process reaps it. Returns as soon as it exists.
Status daemonize(const Fd& keep, const std::function<int()>& work);

/// Has `run` done until it returns something else than exit_status::failed, waiting between two attempts as `waits` has
/// it; what the last one returned. SIGTERM or SIGINT while it waits: exit_status::done. They are blocked when it returns.
int try_again(const std::function<int()>& run, std::span<const std::chrono::milliseconds> waits);

/// In that process: the log goes to the kernel's. It runs also where nothing can be logged.
void start_log_in_background(LogLevel level);

/// The id in a container's state as the OCI runtime specification has it ("State"): what hooks get on stdin. An error for
/// anything else; an id holds letters, digits and -_.+ only.
Result<std::string> container_in_state(std::string_view json);

/// All there is on `fd` until its end, at most `bytes` and for at most `timeout_ms` altogether: an error where it ended
/// otherwise. It is read to the end even if nobody needs it: to some agents, a hook that leaves before they have written
/// all of it is one that failed.
Result<std::string> read_hook_stdin(int fd, std::size_t bytes, int timeout_ms);

}  // namespace katameter::guest
