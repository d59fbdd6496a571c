#pragma once

#include <chrono>
#include <functional>
#include <span>

#include "userspace/fd.h"
#include "userspace/log.h"

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
Status run_in_background(const Fd& keep, const std::function<int()>& work);

/// Has `run` done until it returns something else than exit_status::failed, waiting between two attempts as `waits` has
/// it; what the last one returned. SIGTERM or SIGINT while it waits: exit_status::done. They are blocked when it returns.
int try_again(const std::function<int()>& run, std::span<const std::chrono::milliseconds> waits);

/// In that process: the log goes to the kernel's. What cannot be logged is no reason not to run.
void start_log_in_background(LogLevel level);

}  // namespace katameter::guest
