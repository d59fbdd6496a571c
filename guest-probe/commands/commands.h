#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "guest-probe/bpf/pins.h"
#include "guest-probe/bpf/plan.h"
#include "userspace/wire/codec.h"

namespace katameter::guest {

// The subcommands. Each prints what it has to say and returns the exit status.

inline const std::string default_socket = "/run/katameter/guest-probe.sock";
inline const std::string reported_sums_file = "/run/katameter/reported-sums";

/// The most that --max-containers takes: with those that have ended and wait to be reported, all fit one snapshot.
inline constexpr std::size_t max_containers = wire::max_snapshot_rows - 100;

struct RunOptions {
  std::vector<std::string> listen;                    ///< empty = vsock:1717 and, if it can be made, default_socket
  std::size_t containers = 500;                       ///< that get a row of their own in a snapshot
  std::string pin_directory = default_pin_directory;  ///< where what has to survive is kept; empty = nothing does
  Wanted wanted;
};

/// What guest-probe ends with. A start that ended with `failed` is worth another attempt, with any other it is not.
namespace exit_status {
inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int usage = 2;
inline constexpr int in_part = 3;        ///< of `check` only: it works, and something is lost
inline constexpr int kernel_cannot = 4;  ///< of `run` only: this kernel gives no figure at all
}  // namespace exit_status

/// Serves until SIGTERM or SIGINT: done. Otherwise failed, usage or kernel_cannot.
int run_command(const RunOptions& options);

/// Has `run` done in the background, unless a guest-probe runs or is being started already, and returns at once: done.
/// Failed if no process can be started. A `run` that fails is tried again, see try_again().
int start_command(const std::function<int()>& run);

/// start_command() as a guest hook of the Kata agent (guest_hook_path), which hands it the container's state on stdin and
/// takes a status that is not 0 for a container that cannot be started: always done.
int prestart_command(const std::function<int()>& run);

struct DumpOptions {
  std::string format = "text";  ///< or "json"
  std::string socket = default_socket;
  std::size_t containers = 500;
  Wanted wanted;
};

/// Prints one snapshot, of the running daemon if there is one, else loading the programs for the moment. 0 or 1.
int dump_command(const DumpOptions& options);

/// Removes all that a guest-probe, which must have ended, has left in the kernel: 0. 1 if it cannot, or one runs.
int detach_command(const std::string& pin_directory);

/// Prints each thing that guest-probe needs. 0: all is there, 3: something is lost, 1: nothing works.
int check_command(std::size_t containers, const Wanted& wanted);

}  // namespace katameter::guest
