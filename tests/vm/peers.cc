#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "tests/support/host_peer.h"
#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"
#include "userspace/wire/codec.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// A container that ended by the OOM killer; its id.
std::string run_out_of_memory(char digit) {
  const TestCgroup cgroup(digit);
  limit_memory(cgroup, 16 << 20);
  REQUIRE(WIFSIGNALED(Workload(cgroup, "hog").run_out_of_memory(16384)));
  return cgroup.id();
}

// Connected to this guest's own vsock; nothing where a kernel has no transport that leads there.
Fd connect_over_loopback(unsigned port) {
  Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval timeout{.tv_sec = 10, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_LOCAL;
  address.svm_port = port;
  const bool connected = connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  return connected ? std::move(socket) : Fd();
}

}  // namespace

TEST_CASE("An ended container is reported to each of two hosts, whoever acknowledges first", "[any][removed]") {
  const Daemon& daemon = shared_daemon();
  HostPeer first(daemon.socket());
  (void)first.collect();
  first.acknowledge();
  const std::string id = run_out_of_memory('c');
  HostPeer second(daemon.socket());
  REQUIRE(find_container(second.collect(), id));
  second.acknowledge();
  second.close();
  const auto row = find_container(first.collect(), id);
  REQUIRE(row);
  CHECK(row->removed);
  CHECK(first.events.size() == 1);
  first.acknowledge();
  CHECK_FALSE(find_container(first.collect(), id));
}

TEST_CASE("What a session was not sent it cannot acknowledge", "[any][removed]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  (void)host.collect();
  host.acknowledge();
  HostPeer hostile(daemon.socket());
  (void)hostile.collect();
  const std::string id = run_out_of_memory('d');
  // It saw neither the container's end nor, unless it came by itself in time, the event.
  hostile.send(wire::Acknowledge{UINT64_MAX, UINT64_MAX});
  hostile.close();
  const auto row = find_container(host.collect(), id);
  REQUIRE(row);
  CHECK(row->removed);
  CHECK(host.events.size() == 1);
  // Not acknowledged by who counts: the next one has it all again.
  const Dump dump = daemon.dump();
  CHECK(Daemon::find(dump, id));
  CHECK(dump.oom_events.size() == 1);
}

TEST_CASE("Asked without end, guest-probe answers so many and says of the others why not", "[any][life]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  constexpr std::uint64_t asked = 60;
  for (std::uint64_t request = 1; request <= asked; ++request) host.send(wire::Collect{request});
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;
  while (answered + refused < asked) {
    const wire::GuestMessage message = host.receive();
    if (std::holds_alternative<wire::Snapshot>(message)) ++answered;
    if (const auto* refusal = std::get_if<wire::Refusal>(&message)) {
      ++refused;
      CHECK(refusal->request == answered + refused);
      CHECK(refusal->reason.find("asked too often") != std::string::npos);
    }
  }
  CHECK(answered > 0);
  CHECK(refused > 0);
  (void)host.collect();
}

TEST_CASE("A message of a newer host, and a second Hello, are answered, and the connection stays", "[any][life]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  host.send(wire::Unknown{15});
  wire::GuestMessage message = host.receive();
  while (std::holds_alternative<wire::Hello>(message)) message = host.receive();
  REQUIRE(std::holds_alternative<wire::Refusal>(message));
  CHECK(std::get<wire::Refusal>(message).reason.find("message 15 is of a newer version") == 0);
  host.send(wire::Hello{});
  message = host.receive();
  REQUIRE(std::holds_alternative<wire::Refusal>(message));
  CHECK(std::get<wire::Refusal>(message).reason == "Hello is sent once");
  (void)host.collect();
}

TEST_CASE("Who has no place takes that of the one that was silent for the longest time", "[any][life]") {
  const Daemon& daemon = shared_daemon();
  HostPeer host(daemon.socket());
  (void)host.collect();
  std::vector<std::unique_ptr<HostPeer>> others;
  for (int i = 0; i < 40; ++i) {
    others.push_back(std::make_unique<HostPeer>(daemon.socket()));
    (void)others.back()->receive();  // its Hello
    (void)host.collect();
  }
  (void)others.back()->collect();
}

TEST_CASE("What connects to guest-probe from within the guest over vsock is not served", "[any][life]") {
  if (std::system("modprobe vsock_loopback 2>/dev/null") != 0) {
    WARN("not run: this kernel has no vsock loopback");
    return;
  }
  constexpr unsigned port = 1000;  // that it may take this one is tested, too
  const Daemon daemon({}, {"--listen", "vsock:1000"});
  HostPeer host(daemon.socket());
  const wire::Snapshot before = host.collect();
  const std::string id = run_out_of_memory('e');
  std::string hostile;
  for (const wire::HostMessage& message : {wire::HostMessage(wire::Hello{}), wire::HostMessage(wire::Collect{1}),
                                           wire::HostMessage(wire::Acknowledge{UINT64_MAX, UINT64_MAX})}) {
    hostile += wire::frame(wire::encode(message));
  }
  std::vector<Fd> held;
  for (int attempt = 0; attempt < 100; ++attempt) {
    Fd socket = connect_over_loopback(port);
    REQUIRE(socket);
    send(socket.get(), hostile.data(), hostile.size(), MSG_NOSIGNAL);
    std::array<char, 4096> bytes{};
    const ssize_t size = recv(socket.get(), bytes.data(), bytes.size(), 0);
    CHECK((size == 0 || (size < 0 && (errno == ECONNRESET || errno == ENOTCONN || errno == EPIPE))));
    held.push_back(std::move(socket));
  }
  const wire::Snapshot after = host.collect();
  CHECK(after.sequence == before.sequence + 1);
  CHECK(find_container(after, id));
  CHECK(host.events.size() == 1);
}
