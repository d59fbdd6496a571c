#pragma once

#include <cstddef>

// What a workload does to make an accounting go wrong: many switches, many short lives. For processes that have been
// forked and have no test to fail: they end with status 7 if something cannot be done.
namespace katameter::guest {

/// Threads that `burn_in_threads` makes.
inline constexpr std::size_t burning_threads = 4;

/// Calls `burn(ms)` in several threads at once and waits for that; the threads then sleep until the process ends, for
/// what a thread uses in its end is no longer counted for the process.
void burn_in_threads(std::size_t ms, void (*burn)(std::size_t));

/// A byte goes to a child process and comes back, `rounds` times.
void ping_pong(std::size_t rounds);

/// One process after the other, each of which ends at once.
void make_processes(std::size_t count);

/// The same with threads.
void make_threads(std::size_t count);

}  // namespace katameter::guest
