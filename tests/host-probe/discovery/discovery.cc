#include "host-probe/discovery/discovery.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "host-probe/own_metrics/own_metrics.h"
#include "tests/support/loop.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::string id_of(char digit) {
  return std::string(64, digit);
}

void make_socket(const fs::path& path) {
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const fs::path previous = fs::current_path();
  fs::current_path(path.parent_path());  // the name alone always fits into an address
  std::strncpy(address.sun_path, path.filename().c_str(), sizeof address.sun_path - 1);
  const int bound = bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  fs::current_path(previous);
  REQUIRE(bound == 0);
}

struct DiscoveryFixture {
  fs::path run() const { return temporary.path() / "run"; }
  fs::path vm() const { return run() / "vc" / "vm"; }
  void make_sandbox(char digit) {
    fs::create_directories(vm() / id_of(digit));
    make_socket(vm() / id_of(digit) / "clh.sock");
  }
  void start() {
    const DiscoveryEvents events{[this](const SandboxPlace& place) {
                                   places.push_back(place);
                                   CHECK(present.insert(place.id.string()).second);
                                 },
                                 [this](const SandboxId& id) {
                                   ++gone;
                                   CHECK(present.erase(id.string()) == 1);
                                 }};
    auto made = Discovery::create(loop.events(), run().string(), events);
    REQUIRE(made.has_value());
    discovery.emplace(std::move(*made));
  }
  bool becomes(const std::set<std::string>& expected) {
    return loop.until([&] { return present == expected; });
  }

  katameter::testing::TemporaryDirectory temporary;
  katameter::host::testing::Loop loop;
  std::set<std::string> present;
  std::vector<SandboxPlace> places;
  int gone = 0;
  std::optional<Discovery> discovery;
};

bool limited(const std::string& reason) {
  return OwnMetrics::of_process().text().find("katameter_host_limitation{reason=\"" + reason + "\"} 1") !=
         std::string::npos;
}

}  // namespace

TEST_CASE("a sandbox that was there before is reported at once, with its place") {
  DiscoveryFixture test;
  test.make_sandbox('a');
  test.start();
  CHECK(test.present == std::set{id_of('a')});
  CHECK(test.places.at(0).directory == (test.vm() / id_of('a')).string());
  CHECK(test.places.at(0).socket == "clh.sock");
  CHECK(test.places.at(0).hypervisor == "cloud-hypervisor");
}

TEST_CASE("a directory without its socket is no sandbox yet") {
  DiscoveryFixture test;
  fs::create_directories(test.vm() / id_of('a'));
  test.start();
  std::ofstream(test.vm() / id_of('a') / "clh-api.sock") << "not a socket";
  std::ofstream(test.vm() / id_of('a') / "clh.sock") << "not a socket either";
  test.loop.pass(20ms);
  CHECK(test.present.empty());
  fs::remove(test.vm() / id_of('a') / "clh.sock");
  make_socket(test.vm() / id_of('a') / "clh.sock");
  CHECK(test.becomes({id_of('a')}));
}

TEST_CASE("sandboxes that come later are seen, and their end") {
  DiscoveryFixture test;
  fs::create_directories(test.vm());
  test.start();
  test.make_sandbox('a');
  test.make_sandbox('b');
  CHECK(test.becomes({id_of('a'), id_of('b')}));
  fs::remove_all(test.vm() / id_of('a'));
  CHECK(test.becomes({id_of('b')}));
  test.make_sandbox('a');
  CHECK(test.becomes({id_of('a'), id_of('b')}));
}

TEST_CASE("a sandbox whose socket goes is gone although its directory stays") {
  DiscoveryFixture test;
  test.make_sandbox('a');
  test.start();
  fs::remove(test.vm() / id_of('a') / "clh.sock");
  CHECK(test.becomes({}));
  make_socket(test.vm() / id_of('a') / "clh.sock");
  CHECK(test.becomes({id_of('a')}));
}

TEST_CASE("a root that comes later is seen, wherever its path ends at the start") {
  DiscoveryFixture test;
  const std::string existing = GENERATE("", "run", "run/vc");
  fs::create_directories(test.temporary.path() / existing);
  test.start();
  test.make_sandbox('a');
  CHECK(test.becomes({id_of('a')}));
}

TEST_CASE("a root made step by step is seen") {
  DiscoveryFixture test;
  test.start();
  for (const fs::path& step : {test.run(), test.run() / "vc", test.vm()}) {
    fs::create_directory(step);
    test.loop.pass(5ms);
  }
  test.make_sandbox('a');
  CHECK(test.becomes({id_of('a')}));
}

TEST_CASE("a root that goes takes its sandboxes along and is awaited again") {
  DiscoveryFixture test;
  test.make_sandbox('a');
  test.start();
  SECTION("removed") {
    fs::remove_all(test.run());
  }
  SECTION("renamed somewhere above") {
    fs::rename(test.run() / "vc", test.run() / "old");
  }
  CHECK(test.becomes({}));
  test.make_sandbox('b');
  CHECK(test.becomes({id_of('b')}));
}

TEST_CASE("names that are not sandbox ids are passed over") {
  DiscoveryFixture test;
  const auto make = [&](const std::string& name) {
    fs::create_directories(test.vm() / name);
    make_socket(test.vm() / name / "clh.sock");
  };
  const std::string good = id_of('a');
  make(std::string(77, 'a'));
  make("." + good);
  make(good + "-");
  make("a..b");
  make("6f4e2ad5-9bb0-4b11-8ae2-3c5ef2b4c2a1");  // a VM that no sandbox has yet
  test.start();
  make("_" + good);
  std::ofstream(test.vm() / id_of('f')) << "a file, no directory";
  test.make_sandbox('a');
  CHECK(test.becomes({id_of('a')}));
}

TEST_CASE("a VM directory may be a symbolic link") {
  DiscoveryFixture test;
  const fs::path real = test.vm() / "6f4e2ad5-9bb0-4b11-8ae2-3c5ef2b4c2a1";
  fs::create_directories(real);
  make_socket(real / "clh.sock");
  fs::create_directory_symlink(real, test.vm() / id_of('a'));
  test.start();
  CHECK(test.present == std::set{id_of('a')});
  fs::create_directory_symlink(real, test.vm() / id_of('b'));
  CHECK(test.becomes({id_of('a'), id_of('b')}));
  fs::remove(test.vm() / id_of('a'));
  CHECK(test.becomes({id_of('b')}));
  fs::remove(real / "clh.sock");
  CHECK(test.becomes({}));
}

TEST_CASE("when the queue of events overflows, what is there is compared once with what is known") {
  DiscoveryFixture test;
  std::ifstream limit_file("/proc/sys/fs/inotify/max_queued_events");
  int limit = 0;
  limit_file >> limit;
  REQUIRE(limit > 0);
  REQUIRE(limit <= 100'000);
  test.make_sandbox('a');
  test.start();
  // Equal events in a row are merged by the kernel, so two names take turns.
  fs::create_directory(test.vm() / "x");
  for (int i = 0; i <= limit; ++i)
    fs::rename(test.vm() / (i % 2 == 0 ? "x" : "y"), test.vm() / (i % 2 == 0 ? "y" : "x"));
  fs::remove_all(test.vm() / id_of('a'));
  test.make_sandbox('b');
  CHECK(test.becomes({id_of('b')}));
  CHECK(test.gone == 1);
}

TEST_CASE("a directory that was removed on the node, and is still mounted, is said") {
  DiscoveryFixture test;
  const fs::path of_node = test.temporary.path() / "node";
  fs::create_directories(of_node / "vc" / "vm" / id_of('a'));
  make_socket(of_node / "vc" / "vm" / id_of('a') / "clh.sock");
  fs::create_directories(test.run() / "vc");
  // Only a process with a mount namespace of its own may mount, which one has with a user namespace of its own.
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(2);
    if (mount((of_node / "vc").c_str(), (test.run() / "vc").c_str(), nullptr, MS_BIND, nullptr) != 0) _exit(3);
    test.start();
    test.discovery->look_again();
    if (test.present.size() != 1 || limited("removed_directory")) _exit(4);
    fs::remove_all(of_node / "vc");
    fs::create_directories(of_node / "vc");
    if (!test.becomes({})) _exit(5);
    test.discovery->look_again();
    _exit(limited("removed_directory") ? 0 : 6);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a sandbox for which there is no inotify watch left is found once there is") {
  DiscoveryFixture test;
  test.make_sandbox('a');
  const auto allow = [](int watches) {
    std::ofstream limit("/proc/sys/user/max_inotify_watches");
    return static_cast<bool>(limit << watches << std::flush);
  };
  // The limit is that of a user namespace, so a process of its own has one.
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER) != 0 || !allow(1'000'000)) _exit(2);
    test.start();
    if (!allow(1)) _exit(3);
    test.make_sandbox('b');
    test.loop.pass(20ms);
    test.discovery->look_again();
    if (test.present.size() != 1 || !limited("inotify")) _exit(4);
    if (!allow(1'000'000)) _exit(5);
    test.discovery->look_again();
    _exit(test.present.size() == 2 && !limited("inotify") ? 0 : 6);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
