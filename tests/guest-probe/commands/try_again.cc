#include <signal.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <vector>

#include "guest-probe/commands/background.h"
#include "guest-probe/commands/commands.h"

using namespace katameter;
using namespace katameter::guest;
using namespace std::chrono_literals;

namespace {

constexpr std::array<std::chrono::milliseconds, 3> waits{1ms, 2ms, 4ms};

// What try_again() gives if the attempts end so, the last of them again and again; and how many there were.
struct Tried {
  int status = -1;
  std::size_t attempts = 0;
};

Tried try_with(const std::vector<int>& statuses) {
  Tried tried;
  tried.status = try_again(
      [&] {
        const std::size_t attempt = std::min(tried.attempts++, statuses.size() - 1);
        return statuses[attempt];
      },
      waits);
  return tried;
}

// Gives the signals back that try_again() blocks.
struct Signals {
  Signals() { sigprocmask(SIG_SETMASK, nullptr, &before); }
  ~Signals() { sigprocmask(SIG_SETMASK, &before, nullptr); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  sigset_t before{};
};

}  // namespace

TEST_CASE("A start that failed is tried again, and no other") {
  const Signals signals;
  Tried tried = try_with({exit_status::failed, exit_status::failed, exit_status::done});
  CHECK(tried.attempts == 3);
  CHECK(tried.status == exit_status::done);
  for (const int status : {exit_status::done, exit_status::usage, exit_status::kernel_cannot}) {
    tried = try_with({status});
    CHECK(tried.attempts == 1);
    CHECK(tried.status == status);
  }
}

TEST_CASE("A start that never succeeds is given up, after the waits") {
  const Signals signals;
  const auto begin = std::chrono::steady_clock::now();
  const Tried tried = try_with({exit_status::failed});
  CHECK(std::chrono::steady_clock::now() - begin >= 7ms);
  CHECK(tried.attempts == waits.size() + 1);
  CHECK(tried.status == exit_status::failed);
}

TEST_CASE("Told to end while it waits, it ends") {
  const Signals signals;
  const std::array<std::chrono::milliseconds, 1> long_wait{60'000ms};
  int attempts = 0;
  const int status = try_again(
      [&] {
        ++attempts;
        kill(getpid(), SIGTERM);
        return exit_status::failed;
      },
      long_wait);
  CHECK(status == exit_status::done);
  CHECK(attempts == 1);
}
