// Directories that dead sandboxes left, and VMMs that outlive theirs.
#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include "tests/host-probe/node/fixture.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

/// A socket without a listener.
void leave_socket(const std::filesystem::path& path) {
  std::filesystem::create_directories(path.parent_path());
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("a directory that a dead sandbox left is not a sandbox until one lives in it") {
  Fixture test;
  const auto path = test.temporary.path() / "a/clh.sock";
  const SandboxPlace place{id_of('a'), path.parent_path(), "clh.sock", "cloud-hypervisor"};
  leave_socket(path);
  SECTION("a socket without a listener") {
    test.processes.ended.insert(id_of('a'));
    test.node->sandbox_appeared(place);
    CHECK(test.collect()->sandboxes.empty());
    CHECK(test.processes.followed.empty());
    std::filesystem::remove(path);
    const FakeGuest guest(test.loop, path);
    CHECK(test.collect()->sandboxes.size() == 1);
    CHECK(test.processes.followed == std::vector<SandboxId>{id_of('a')});
  }
  SECTION("a socket without a listener yet, a process of the sandbox runs") {
    test.node->sandbox_appeared(place);
    CHECK(test.collect()->sandboxes.size() == 1);
  }
  SECTION("without BPF the socket alone shows it") {
    test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), nullptr);
    test.node->sandbox_appeared(place);
    CHECK(test.collect()->sandboxes.empty());
  }
  SECTION("the directory goes in the end") {
    test.processes.ended.insert(id_of('a'));
    test.node->sandbox_appeared(place);
    test.node->sandbox_gone(id_of('a'));
    test.processes.ended.clear();
    CHECK(test.collect()->sandboxes.empty());
  }
}

TEST_CASE("what is reached by its CID is dead without a process") {
  Fixture test;
  const auto directory = test.temporary.path() / "a";
  leave_socket(directory / "qmp.sock");
  const SandboxPlace place{id_of('a'), directory, "qmp.sock", "qemu", Reach::cid};
  test.processes.ended.insert(id_of('a'));
  SECTION("the Go runtime's file of its process id names one that ended") {
    std::ofstream(directory / "pid") << "4194305\n";  // above PID_MAX_LIMIT
    if (GENERATE(false, true)) {
      test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), nullptr);
    }
  }
  SECTION("without the file") {}
  test.node->sandbox_appeared(place);
  CHECK(test.collect()->sandboxes.empty());
  test.processes.ended.clear();
}

TEST_CASE("without BPF nothing is known of a VMM that left no process id: it is a sandbox") {
  Fixture test;
  leave_socket(test.temporary.path() / "a/root/console.sock");
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), nullptr);
  test.node->sandbox_appeared({id_of('a'), test.temporary.path() / "a", "root/console.sock", "qemu", Reach::cid});
  CHECK(test.collect()->sandboxes.size() == 1);
}

TEST_CASE("a sandbox that dies and leaves its directory ends, and goes on when it lives again") {
  Fixture test;
  test.node = nullptr;
  GuestTiming timing;
  timing.absence_backoff_min = timing.absence_backoff_max = 5ms;
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, timing);
  test.add('a');
  const auto living = [&] {
    const auto report = test.collect();
    return std::ranges::count_if(report->sandboxes, [](const SandboxReport& sandbox) { return !sandbox.ended; });
  };
  CHECK(living() == 1);
  test.guests.clear();
  const auto path = test.temporary.path() / "a/clh.sock";
  std::filesystem::remove(path);
  leave_socket(path);
  CHECK(living() == 1);  // its processes live
  test.processes.ended.insert(id_of('a'));
  for (int scrape = 0; scrape < 10'000 && living() > 0; ++scrape) test.loop.pass(5ms);
  REQUIRE(living() == 0);
  CHECK(test.processes.forgotten == std::vector<SandboxId>{id_of('a')});
  std::filesystem::remove(path);
  const FakeGuest guest(test.loop, path);
  test.processes.ended.clear();
  CHECK(living() == 1);
}

TEST_CASE("a stock sandbox that dies while its guest is left alone ends with the next scrapes") {
  Fixture test;
  test.node = nullptr;
  GuestTiming timing;
  timing.search_time = 0ms;
  timing.refusal_backoff_min = timing.refusal_backoff_max = 1h;
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, timing);
  const auto path = test.temporary.path() / "a/clh.sock";
  std::filesystem::create_directories(path.parent_path());
  auto stock = std::make_unique<FakeGuest>(test.loop, path);
  stock->closes_at_connect = true;
  test.node->sandbox_appeared({id_of('a'), path.parent_path(), "clh.sock", "cloud-hypervisor"});
  REQUIRE(test.loop.until([&] { return stock->connections == 1; }));
  const auto living = [&] {
    const auto report = test.collect();
    return std::ranges::count_if(report->sandboxes, [](const SandboxReport& sandbox) { return !sandbox.ended; });
  };
  CHECK(living() == 1);
  stock.reset();
  std::filesystem::remove(path);
  leave_socket(path);
  test.processes.ended.insert(id_of('a'));
  for (int scrape = 0; scrape < 10'000 && living() > 0; ++scrape) test.loop.pass(5ms);
  CHECK(living() == 0);
}

TEST_CASE("a VMM that outlives its sandbox's directory is measured until it ends") {
  Fixture test;
  test.node = nullptr;
  test.node = std::make_unique<Node>(test.loop.events(), test.loop.timers(), &test.processes, nullptr, GuestTiming(),
                                     wire::default_port, 10ms);
  test.add('a');
  test.processes.no_kills = true;
  test.processes.figures[id_of('a')].cpu[Role::vmm] = {.cpu_ns = 1'000'000'000};
  test.processes.running_vmm = 4711;
  test.node->sandbox_gone(id_of('a'));
  for (int scrape = 0; scrape < 2; ++scrape) {
    const auto report = test.collect();
    REQUIRE(report->sandboxes.size() == 1);
    CHECK(report->sandboxes[0].account);
    test.loop.pass(20ms);
  }
  CHECK(test.processes.forgotten.empty());
  SECTION("it ends") {
    test.processes.running_vmm.reset();
    CHECK(test.collect()->sandboxes.at(0).ended);  // its container's OOM kill is still reported
    CHECK(test.processes.forgotten == std::vector<SandboxId>{id_of('a')});
  }
  SECTION("its directory comes back, as when a guest reboots in place") {
    test.guests.clear();
    std::filesystem::remove(test.temporary.path() / "a/clh.sock");
    test.add('a');
    const auto report = test.collect();
    REQUIRE(report->sandboxes.size() == 1);
    CHECK(report->sandboxes[0].guest);
    test.processes.running_vmm.reset();
    CHECK(test.collect()->sandboxes.size() == 1);
  }
  SECTION("without a scrape") {
    test.node->sandbox_gone(id_of('a'));
    test.processes.running_vmm.reset();
    CHECK(test.loop.until([&] { return !test.processes.forgotten.empty(); }));
  }
}
