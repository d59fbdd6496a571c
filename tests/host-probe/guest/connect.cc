#include "host-probe/guest/connect.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>

#include "tests/support/temporary_directory.h"

// What can be seen without a vhost-vsock device: where the CID comes from, and the handshake.

using namespace katameter;
using namespace katameter::host;
using katameter::testing::TemporaryDirectory;
using namespace std::string_literals;
using State = Handshake::State;

namespace {

/// A process with this argument in its command line; ends with its object.
class Process {
 public:
  explicit Process(const std::string& argument) {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    const Fd its_input(ends[0]);
    input_ = Fd(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, its_input.get(), STDIN_FILENO);
    std::array<std::string, 5> texts{"sh", "-c", "read until_it_ends", "vhost-vsock-pci", argument};
    std::array<char*, 6> arguments{};
    std::ranges::transform(texts, arguments.begin(), [](std::string& text) { return text.data(); });
    const int error = posix_spawn(&pid_, "/bin/sh", &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(error == 0);
    // posix_spawn() returns when the old program is gone, which is before the new one's command line is there.
    std::ifstream command_line;
    do command_line = std::ifstream("/proc/" + std::to_string(pid_) + "/cmdline");
    while (command_line.peek() == std::ifstream::traits_type::eof());
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    input_ = Fd();
    waitpid(pid_, nullptr, 0);
  }
  std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }

 private:
  pid_t pid_ = -1;
  Fd input_;
};

}  // namespace

TEST_CASE("the CID is in the VMM's command line") {
  const std::string qemu =
      "/usr/bin/qemu-system-x86_64\0-name\0sandbox-x\0-device\0"
      "vhost-vsock-pci,disable-modern=true,vhostfd=3,id=vsock-3735928559,guest-cid=3735928559\0-pidfile\0/x/pid\0"s;
  CHECK(guest_cid_in(qemu) == 3735928559U);
  CHECK(guest_cid_in("stratovirt\0-device\0vhost-vsock-device,id=vsock-42,guest-cid=42,vhostfd=4\0"s) == 42U);
  for (const std::string& none :
       {""s, "qemu\0-name\0x\0"s, ",guest-cid="s, ",guest-cid=x"s, ",guest-cid=7x"s, ",guest-cid=-5"s, ",guest-cid=0"s,
        ",guest-cid=1"s, ",guest-cid=2"s, ",guest-cid=4294967295"s, ",guest-cid=4294967296"s}) {
    INFO(none);
    CHECK_FALSE(guest_cid_in(none));
  }
}

TEST_CASE("the VMM is the one whose process id the runtime left") {
  TemporaryDirectory temporary;
  const std::string pid_file = temporary.path() / "pid";
  CHECK(guest_cid(temporary.path(), {}).error().code == ENOENT);
  std::ofstream(pid_file) << getpid() << "\n";
  const auto not_a_vmm = guest_cid(temporary.path(), {});
  REQUIRE_FALSE(not_a_vmm);
  CHECK_THAT(not_a_vmm.error().text, Catch::Contains("no guest-cid"));
  std::ofstream(pid_file) << "4194305";  // beyond PID_MAX_LIMIT
  CHECK(guest_cid(temporary.path(), {}).error().code == ESRCH);
  for (const char* wrong : {"", "0", "-1", "12x", "../1"}) {
    std::ofstream(pid_file) << wrong;
    REQUIRE_FALSE(guest_cid(temporary.path(), {}));
    CHECK_THAT(guest_cid(temporary.path(), {}).error().text, Catch::Contains("no process id"));
  }
}

TEST_CASE("a VMM that is starting has no command line yet, and an empty file of its process id: it is asked again") {
  TemporaryDirectory temporary;
  const std::string pid_file = temporary.path() / "pid";
  std::ofstream(pid_file) << "";
  CHECK(guest_cid(temporary.path(), {}).error().code == EAGAIN);
  // A process that has ended has no command line either.
  const pid_t ended = fork();
  REQUIRE(ended >= 0);
  if (ended == 0) _exit(0);
  siginfo_t info{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(ended), &info, WEXITED | WNOWAIT) == 0);
  std::ofstream(pid_file) << ended;
  CHECK(guest_cid(temporary.path(), {}).error().code == EAGAIN);
  CHECK(waitpid(ended, nullptr, 0) == ended);
}

TEST_CASE("where the runtime leaves no process id, the VMM is the one whose process is known") {
  TemporaryDirectory temporary;
  const Process vmm(",guest-cid=42");
  const Process of_file(",guest-cid=43");
  std::optional<std::uint32_t> known;
  const FindVmm find_vmm = [&] { return known; };
  CHECK(guest_cid(temporary.path(), find_vmm).error().code == ENOENT);
  known = vmm.pid();
  CHECK(guest_cid(temporary.path(), find_vmm) == 42U);
  known = 4194305;  // beyond PID_MAX_LIMIT
  CHECK(guest_cid(temporary.path(), find_vmm).error().code == ESRCH);
  known = vmm.pid();
  std::ofstream(temporary.path() / "pid") << of_file.pid();
  CHECK(guest_cid(temporary.path(), find_vmm) == 43U);
}

TEST_CASE("a pid file that is a FIFO is an error at once") {
  TemporaryDirectory temporary;
  REQUIRE(mkfifo((temporary.path() / "pid").c_str(), 0600) == 0);
  const auto cid = guest_cid(temporary.path(), {});
  REQUIRE_FALSE(cid);
  CHECK_THAT(cid.error().text, Catch::Contains("no process id"));
}

TEST_CASE("a user's directory cannot name another user's process as its VMM") {
  TemporaryDirectory temporary;
  const Process vmm(",guest-cid=42");
  std::ofstream(temporary.path() / "pid") << vmm.pid();
  CHECK(guest_cid(temporary.path(), {}) == 42U);
  // Either the directory becomes another user's, or the process is root's.
  if (chown(temporary.path().c_str(), 12345, 12345) != 0) std::ofstream(temporary.path() / "pid") << 1;
  const auto refused = guest_cid(temporary.path(), {});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().text, Catch::Contains("not of the user"));
}

TEST_CASE("the request is the port in one line") {
  CHECK(Handshake::request(1717) == "CONNECT 1717\n");
}

TEST_CASE("an OK line ends the handshake, and what follows it is left to the guest") {
  Handshake handshake;
  CHECK(handshake.untouched());
  CHECK(handshake.take("OK 1073741824\nframes") == 14);
  CHECK(handshake.state() == State::done);
  CHECK_FALSE(handshake.untouched());
}

TEST_CASE("the answer may come byte by byte") {
  Handshake handshake;
  const std::string answer = "OK 1073741824\n";
  for (const char byte : answer) {
    CHECK(handshake.state() == State::waiting);
    CHECK(handshake.take(std::string_view(&byte, 1)) == 1);
    CHECK_FALSE(handshake.untouched());
  }
  CHECK(handshake.state() == State::done);
}

TEST_CASE("any other line is refused") {
  for (const char* line :
       {"\n", "OK\n", "OK \n", "OK x\n", "OK 12 \n", "OK 12\r\n", "ok 12\n", "ERROR 12\n", " OK 1\n"}) {
    INFO(line);
    Handshake handshake;
    handshake.take(line);
    CHECK(handshake.state() == State::refused);
  }
}

TEST_CASE("a line without an end is refused at 32 bytes, not collected without end") {
  Handshake handshake;
  CHECK(handshake.take("OK " + std::string(28, '1')) == 31);
  CHECK(handshake.state() == State::waiting);
  CHECK(handshake.take(std::string(1'000'000, '1')) == 1);
  CHECK(handshake.state() == State::refused);
}
