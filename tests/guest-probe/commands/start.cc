#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "guest-probe/commands/commands.h"
#include "guest-probe/commands/start.h"
#include "tests/support/sanitized.h"
#include "userspace/fd.h"

using namespace katameter;
using namespace katameter::guest;
using namespace std::chrono_literals;

namespace {

struct Pipe {
  Fd read, write;
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    read = Fd(ends[0]);
    write = Fd(ends[1]);
  }
};

void put(const Fd& fd, const std::string& text) {
  REQUIRE(write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

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

struct Call {
  int status = -1;
  std::string said;  // stdout and stderr, to their end, as the agent reads them
  std::chrono::microseconds took{};
  std::chrono::microseconds cpu{};
  long waits = 0;  // context switches of its own will, its end among them
};

// As the agent does: pipes for all three, of which it reads the last two to their end. The address is none, so that nothing is loaded
// here: the process in the background ends over it.
Call call_hook(const char* program, std::vector<std::string> arguments, const std::string& state) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  REQUIRE(pipe2(in.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(out.data(), O_CLOEXEC) == 0);
  REQUIRE(write(in[1], state.data(), state.size()) == static_cast<ssize_t>(state.size()));
  // Before the hook begins: else it would wait for this process to get a CPU.
  Fd(in[1]).reset();
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
  const Fd output(out[0]);
  std::array<char, 4096> bytes{};
  for (ssize_t size; (size = read(output.get(), bytes.data(), bytes.size())) > 0;) {
    call.said.append(bytes.data(), static_cast<std::size_t>(size));
  }
  siginfo_t ended{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
  call.took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  // Until it has left its CPU for good: that is a switch of its own will, too, and else counted or not.
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  int status = 0;
  rusage used{};
  REQUIRE(wait4(child, &status, 0, &used) == child);
  call.waits = used.ru_nvcsw;
  for (const timeval& part : {used.ru_utime, used.ru_stime}) {
    call.cpu += std::chrono::seconds(part.tv_sec) + std::chrono::microseconds(part.tv_usec);
  }
  call.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return call;
}

const std::string state = R"({"ociVersion":"1.0.2-dev","id":"c0ffee","status":"created","pid":7,"bundle":"/b"})";

// The least of each figure, and beside it that of a program that does nothing: a process costs more on one machine than on
// another.
struct Best {
  Call hook;
  Call nothing;

  std::string text() const {
    const auto one = [](const Call& call) {
      return std::to_string(call.took.count()) + " us, " + std::to_string(call.cpu.count()) + " us of CPU time";
    };
    return "the hook " + one(hook) + "; /bin/true " + one(nothing);
  }
};

void keep_least(Call& kept, const Call& call) {
  if (kept.status != 0) kept = call;
  kept.cpu = std::min(kept.cpu, call.cpu);
  kept.took = std::min(kept.took, call.took);
  kept.waits = std::min(kept.waits, call.waits);
}

constexpr std::chrono::milliseconds bound(katameter::testing::sanitized ? 500 : 5);

// The calls come before whatever else the machine has to do, if it lets us: what is measured is the hook's time.
class AheadOfOthers {
 public:
  AheadOfOthers() {
    sched_param first{};
    first.sched_priority = 1;
    sched_setscheduler(0, SCHED_FIFO, &first);
  }
  ~AheadOfOthers() {
    const sched_param as_all{};
    sched_setscheduler(0, SCHED_OTHER, &as_all);
  }
  AheadOfOthers(const AheadOfOthers&) = delete;
  AheadOfOthers& operator=(const AheadOfOthers&) = delete;
};

// Of 30 calls; of more if the bound was not kept by then.
Best best_of_some() {
  const AheadOfOthers ahead;
  Best best;
  for (int i = 0; i < 30 || (i < 300 && best.hook.took - best.nothing.took >= bound); ++i) {
    const Call call = call_hook(GUEST_PROBE, {"guest-probe", "prestart", "--listen", "tcp:80"}, state);
    REQUIRE(call.status == 0);
    if (geteuid() == 0) REQUIRE(call.said.empty());  // others cannot lock /run/katameter, and log that
    keep_least(best.hook, call);
    keep_least(best.nothing, call_hook("/bin/true", {"true"}, state));
  }
  return best;
}

// What guest-probe holds while it runs, once those that the hooks before have started are gone.
Fd hold_running() {
  const char* folder = "/run/katameter";
  while (true) {
    mkdir(folder, 0700);
    Fd running(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat held {};
    struct stat there {};
    if (flock(running.get(), LOCK_EX) == 0 && fstat(running.get(), &held) == 0 && stat(folder, &there) == 0 &&
        held.st_ino == there.st_ino) {
      return running;
    }
  }
}

}  // namespace

TEST_CASE("The container is named in the outermost object of its state") {
  const Result<std::string> container = container_in_state(
      R"({"ociVersion":"1.0.2","id":"c0ffee","status":"created","pid":7,"annotations":{"id":"other","a":[{"id":1}]}})");
  REQUIRE(container);
  CHECK(*container == "c0ffee");
}

TEST_CASE("What is no container's state has no container") {
  const char* const bad[] = {"",
                             " ",
                             "null",
                             "[]",
                             "{",
                             "{}",
                             "\0",
                             "{\"id\"",
                             "{\"id\": 1}",
                             "\"",
                             "{\"id\":\"\"}",
                             "{\"id\":\"a/b\"}",
                             "{\"id\":\"a\\nb\"}",
                             "{\"annotations\":{\"id\":\"a\"}}"};
  for (const char* text : bad) {
    INFO(text);
    CHECK(!container_in_state(text));
  }
  CHECK(!container_in_state("{\"id\":\"" + std::string(257, 'a') + "\"}"));
  CHECK(!container_in_state(std::string(1'000'000, '[')));
}

TEST_CASE("A state is read to its end, however it comes") {
  Pipe pipe;
  std::thread writer([&] {
    for (const char* part : {"{\"id\"", ":\"abc\"", "}"}) {
      put(pipe.write, part);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    pipe.write.reset();
  });
  const Result<std::string> state = read_hook_stdin(pipe.read.get(), 1000, 5000);
  writer.join();
  REQUIRE(state);
  CHECK(*state == R"({"id":"abc"})");
}

TEST_CASE("A state without an end is given up") {
  Pipe pipe;
  put(pipe.write, std::string(1001, 'x'));
  const Result<std::string> large = read_hook_stdin(pipe.read.get(), 1000, 5000);
  REQUIRE(!large);
  CHECK(large.error().text.find("more on stdin") != std::string::npos);

  const auto before = std::chrono::steady_clock::now();
  const Result<std::string> silent = read_hook_stdin(pipe.read.get(), 1000, 30);
  REQUIRE(!silent);
  CHECK(silent.error().text.find("no end") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(30));
  CHECK(!read_hook_stdin(-1, 1000, 30));
}

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

TEST_CASE("The first hook takes less than 5 ms more than nothing, waits for nobody, and ends without a word") {
  const Best best = best_of_some();
  INFO(best.text());
  CHECK(best.hook.took - best.nothing.took < bound);
  CHECK(best.hook.cpu - best.nothing.cpu < bound);
  if (!katameter::testing::sanitized) CHECK(best.hook.waits <= best.nothing.waits);  // a leak is looked for at the end
}

TEST_CASE("A hook that finds guest-probe running takes less than 5 ms more than nothing") {
  if (geteuid() != 0) {
    WARN("not run: needs root, for /run/katameter");
    return;
  }
  const Fd running = hold_running();
  const Best best = best_of_some();
  rmdir("/run/katameter");
  INFO(best.text());
  CHECK(best.hook.took - best.nothing.took < bound);
  CHECK(best.hook.cpu - best.nothing.cpu < bound);
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

TEST_CASE("A hook that is asked for help gives it") {
  const Call call = call_hook(GUEST_PROBE, {"guest-probe", "prestart", "--help"}, "");
  CHECK(call.status == 0);
  CHECK(call.said.find("--listen") != std::string::npos);
}
