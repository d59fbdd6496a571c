#include "host-probe/transport/vsock.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>

#include "host-probe/transport/guest_connection.h"
#include "tests/host-probe/support/loop.h"
#include "tests/support/temporary_directory.h"
#include "userspace/wire/codec.h"

// What can be seen without a vhost-vsock device: where the CID comes from, and a connection without a handshake.

using namespace katameter;
using katameter::testing::Loop;
using katameter::testing::TemporaryDirectory;
using namespace std::string_literals;

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
  std::ofstream(pid_file) << "4194305";  // beyond the largest there can be
  CHECK(guest_cid(temporary.path(), {}).error().code == ESRCH);
  for (const char* wrong : {"", "0", "-1", "12x", "../1"}) {
    std::ofstream(pid_file) << wrong;
    REQUIRE_FALSE(guest_cid(temporary.path(), {}));
    CHECK_THAT(guest_cid(temporary.path(), {}).error().text, Catch::Contains("no process id"));
  }
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
  known = 4194305;  // beyond the largest there can be
  CHECK(guest_cid(temporary.path(), find_vmm).error().code == ESRCH);
  known = vmm.pid();
  std::ofstream(temporary.path() / "pid") << of_file.pid();
  CHECK(guest_cid(temporary.path(), find_vmm) == 43U);
}

TEST_CASE("over a connection of its own a guest is greeted at once, without CONNECT") {
  Loop loop;
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
  const Fd guest(ends[1]);
  std::unique_ptr<GuestConnection> connection;
  std::vector<wire::GuestMessage> heard;
  std::optional<Drop> end;
  GuestConnection::Handlers handlers;
  handlers.opened = [&] { connection->send(wire::Collect{7}); };
  handlers.message = [&](const wire::GuestMessage& message) -> std::optional<Drop> {
    heard.push_back(message);
    return std::nullopt;
  };
  handlers.received = [](std::size_t) { return std::optional<Drop>(); };
  handlers.drained = [] {};
  handlers.closed = [&](const Drop& drop) { end = drop; };
  auto opened = GuestConnection::open_direct(loop.events(), Fd(ends[0]), std::move(handlers));
  REQUIRE(opened);
  connection = std::move(*opened);

  std::string asked;
  REQUIRE(loop.until([&] {
    std::array<char, 256> buffer{};
    const ssize_t got = read(guest.get(), buffer.data(), buffer.size());
    if (got > 0) asked.append(buffer.data(), static_cast<std::size_t>(got));
    return !asked.empty();
  }));
  CHECK(asked == wire::frame(wire::encode(wire::HostMessage(wire::Collect{7}))));

  const std::string hello = wire::frame(wire::encode(wire::GuestMessage(wire::Hello())));
  REQUIRE(write(guest.get(), hello.data(), hello.size()) == static_cast<ssize_t>(hello.size()));
  REQUIRE(loop.until([&] { return heard.size() == 1; }));
  CHECK(std::holds_alternative<wire::Hello>(heard[0]));
  shutdown(guest.get(), SHUT_RDWR);
  REQUIRE(loop.until([&] { return end.has_value(); }));
  CHECK(end->reason == DropReason::closed);
}
