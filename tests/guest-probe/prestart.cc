#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "userspace/fd.h"

using katameter::Fd;

namespace {

struct Call {
  int status = -1;
  std::string said;  // stdout and stderr, to their end, as the agent reads them
  std::chrono::microseconds took{};
};

// As the agent does: pipes for all three, of which it reads the last two to their end. The address is none, so that nothing is loaded
// here: the process in the background ends over it.
Call call_hook(const char* program, std::vector<std::string> arguments, const std::string& state) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  REQUIRE(pipe2(in.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(out.data(), O_CLOEXEC) == 0);
  REQUIRE(write(in[1], state.data(), state.size()) == static_cast<ssize_t>(state.size()));
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in[0], 0);
  posix_spawn_file_actions_adddup2(&files, out[1], 1);
  posix_spawn_file_actions_adddup2(&files, out[1], 2);
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);

  Call call;
  const auto begin = std::chrono::steady_clock::now();
  pid_t child = -1;
  REQUIRE(posix_spawn(&child, program, &files, nullptr, words.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&files);
  Fd(in[0]).reset();
  Fd(out[1]).reset();
  Fd(in[1]).reset();
  const Fd output(out[0]);
  std::array<char, 4096> bytes{};
  for (ssize_t size; (size = read(output.get(), bytes.data(), bytes.size())) > 0;) {
    call.said.append(bytes.data(), static_cast<std::size_t>(size));
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  call.took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  call.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return call;
}

const std::string state = R"({"ociVersion":"1.0.2-dev","id":"c0ffee","status":"created","pid":7,"bundle":"/b"})";

}  // namespace

// Beside a program that does nothing, and the best of some of both: others may want the CPU meanwhile.
TEST_CASE("A hook returns within 5 ms, with 0 and without a word") {
  std::chrono::microseconds best = std::chrono::hours(1);
  std::chrono::microseconds nothing = best;
  for (int i = 0; i < 30; ++i) {
    const Call call = call_hook(GUEST_PROBE, {"guest-probe", "prestart", "--listen", "tcp:80"}, state);
    REQUIRE(call.status == 0);
    if (geteuid() == 0) REQUIRE(call.said.empty());  // others cannot lock /run/katameter, and are told
    best = std::min(best, call.took);
    nothing = std::min(nothing, call_hook("/bin/true", {"true"}, state).took);
  }
  INFO("best of 30: " << best.count() << " us, of /bin/true: " << nothing.count() << " us");
  CHECK(best - nothing < std::chrono::milliseconds(5));
}

TEST_CASE("A hook ends with 0 whatever the state is, and says what was wrong with it") {
  for (const std::string& bad : {std::string(), std::string("garbage"), std::string("{\"id\":")}) {
    const Call call = call_hook(GUEST_PROBE, {"guest-probe", "prestart", "--listen", "tcp:80"}, bad);
    CHECK(call.status == 0);
    CHECK(call.said.find("prestart hook: ") != std::string::npos);
  }
}

TEST_CASE("What starts it in the background says if it was asked wrongly, as any other does") {
  CHECK(call_hook(GUEST_PROBE, {"guest-probe", "start", "--no-such-flag"}, "").status == 2);
}
