#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "host-probe/discovery/discovery.h"
#include "tests/support/fake_guest.h"
#include "tests/support/loop.h"
#include "tests/support/temporary_directory.h"

// One tree per layout, with all the files that this runtime and hypervisor leave.

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const std::string id(64, 'a');
const std::string cut_id(32, 'a');
const std::string uuid = "6f4e2ad5-9bb0-4b11-8ae2-3c5ef2b4c2a1";

// What else shows whose the directory is, where its name does not.
enum class Source { name, list, link };

struct Tree {
  std::string hypervisor;
  std::string directory;             // below the run root
  std::vector<std::string> sockets;  // in it
  std::string marker;
  Reach reach = Reach::hybrid;
  std::string sandbox = id;
  Source source = Source::name;
};

// As facts about Kata 2.1 to 4.1 have them.
const std::vector<Tree> trees{
    {"cloud-hypervisor", "vc/vm/" + id, {"clh-api.sock", "virtiofsd.sock", "clh.sock"}, "clh.sock"},
    {"qemu", "vc/vm/" + id, {"console.sock", "vhost-fs.sock", "qmp.sock"}, "qmp.sock", Reach::cid},
    {"stratovirt", "vc/vm/" + id, {"console.socket", "virtiofs_kata.socket", "qmp.socket"}, "qmp.socket", Reach::cid},
    {"firecracker",
     "vc/firecracker/" + cut_id,
     {"root/run/firecracker.socket", "root/kata.hvsock"},
     "root/kata.hvsock",
     Reach::hybrid,
     id,
     Source::list},
    // By `ctr run`, not by CRI.
    {"cloud-hypervisor", "vc/vm/foo100", {"clh-api.sock", "clh.sock"}, "clh.sock", Reach::hybrid, "foo100"},
    {"firecracker",
     "vc/fc-1.12/" + cut_id,  // the directory is called like the hypervisor's file
     {"root/kata.hvsock"},
     "root/kata.hvsock",
     Reach::hybrid,
     id,
     Source::list},
    {"firecracker", "vc/firecracker/foo100", {"root/kata.hvsock"}, "root/kata.hvsock", Reach::hybrid, "foo100"},
    {"qemu", "kata/" + uuid, {"root/console.sock"}, "root/console.sock", Reach::cid, uuid, Source::list},
    // A VM from the factory: a template's, or one of vmcache.
    {"qemu", "vc/vm/" + uuid, {"console.sock", "qmp.sock"}, "qmp.sock", Reach::cid, id, Source::link},
    {"cloud-hypervisor", "vc/vm/" + uuid, {"clh-api.sock", "clh.sock"}, "clh.sock", Reach::hybrid, id, Source::link},
    {"cloud-hypervisor",
     "kata/" + id,
     {"shim-monitor.sock", "root/virtiofsd.sock", "ch-api.sock", "ch-vm.sock"},
     "ch-vm.sock"},
    {"dragonball", "kata/" + id, {"shim-monitor.sock", "console.sock", "root/kata.hvsock"}, "root/kata.hvsock"},
    {"firecracker", "kata/firecracker/" + id, {"root/run/fc.sock", "root/kata.hvsock"}, "root/kata.hvsock"},
    {"firecracker", "kata/" + id, {"shim-monitor.sock", "run/fc.sock", "kata.hvsock"}, "kata.hvsock"},
    {"openvmm", "kata/" + id, {"shim-monitor.sock", "openvmm.sock", "vsock.sock"}, "vsock.sock"},
    {"qemu",
     "kata/" + id,
     {"shim-monitor.sock", "root/virtiofsd.sock", "root/console.sock"},
     "root/console.sock",
     Reach::cid},
    // Rootless: the VMM runs as a user of its own.
    {"qemu", "user/4711/run/vc/vm/" + id, {"console.sock", "vhost-fs.sock", "qmp.sock"}, "qmp.sock", Reach::cid},
    {"cloud-hypervisor", "user/4711/run/vc/vm/" + id, {"clh-api.sock", "virtiofsd.sock", "clh.sock"}, "clh.sock"},
    {"qemu",
     "user/4711/run/kata/" + id,
     {"shim-monitor.sock", "root/qmp.sock", "root/virtiofsd.sock", "root/console.sock"},
     "root/console.sock",
     Reach::cid},
};

struct LayoutsFixture {
  fs::path run() const { return temporary.path() / "run"; }
  void make_socket(const fs::path& path) {
    fs::create_directories(path.parent_path());
    sockets.push_back(std::make_unique<FakeGuest>(loop, path));
  }
  void make(const Tree& tree) {
    for (const std::string& socket : tree.sockets) make_socket(run() / tree.directory / socket);
    if (tree.source == Source::list) list(tree.sandbox);
    if (tree.source == Source::link) fs::create_directory_symlink(run() / tree.directory, link_of(tree));
  }
  // Where the sandbox is found.
  fs::path link_of(const Tree& tree) const {
    const fs::path directory = run() / tree.directory;
    return tree.source == Source::link ? directory.parent_path() / tree.sandbox : directory;
  }
  /// As the Go runtime has its sandboxes.
  void list(const std::string& sandbox) { fs::create_directories(run() / "vc/sbs" / sandbox); }
  void start() {
    const DiscoveryEvents events{[this](const SandboxPlace& place) {
                                   places.push_back(place);
                                   CHECK(present.insert(place.id.string()).second);
                                 },
                                 [this](const SandboxId& gone) { CHECK(present.erase(gone.string()) == 1); }};
    auto made = Discovery::create(loop.events(), run().string(), events, [this] { return shims; });
    REQUIRE(made.has_value());
    discovery.emplace(std::move(*made));
  }
  bool becomes(const std::set<std::string>& expected) {
    return loop.until([&] { return present == expected; });
  }

  TemporaryDirectory temporary;
  Loop loop;
  std::vector<std::unique_ptr<FakeGuest>> sockets;
  std::set<std::string> present;
  std::vector<SandboxPlace> places;
  std::set<SandboxId> shims;
  std::optional<Discovery> discovery;
};

}  // namespace

TEST_CASE("every layout is found, whether it was there before or comes later, and its end is seen") {
  const Tree tree = GENERATE(from_range(trees));
  const bool before = GENERATE(true, false);
  INFO(tree.hypervisor << " in " << tree.directory);
  LayoutsFixture test;
  if (before) test.make(tree);
  test.start();
  if (!before) test.make(tree);
  REQUIRE(test.becomes({tree.sandbox}));
  CHECK(test.places.size() == 1);
  CHECK(test.places.back().hypervisor == tree.hypervisor);
  CHECK(test.places.back().directory == test.link_of(tree).string());
  CHECK(test.places.back().vm().text() == fs::path(tree.directory).filename().string());
  CHECK(test.places.back().socket == tree.marker);
  CHECK(test.places.back().reach == tree.reach);
  const std::string in_layout = test.places.back().layout + "/" + fs::path(tree.directory).filename().string();
  CHECK((tree.directory == in_layout || tree.directory == "user/4711/run/" + in_layout));
  fs::remove(test.run() / tree.directory / tree.marker);
  CHECK(test.becomes({}));
  test.make_socket(test.run() / tree.directory / tree.marker);
  REQUIRE(test.becomes({tree.sandbox}));
  fs::remove_all(test.run() / tree.directory);
  CHECK(test.becomes({}));
}

TEST_CASE("a hypervisor's own directory beside the sandboxes is none") {
  LayoutsFixture test;
  test.make_socket(test.run() / "kata/firecracker/kata.hvsock");
  test.make_socket(test.run() / "kata/firecracker/root/kata.hvsock");
  test.make_socket(test.run() / "vc/vm/-firecracker/clh.sock");
  test.start();
  test.loop.pass(20ms);
  CHECK(test.present.empty());
}

TEST_CASE("a nested directory that is made again is watched again") {
  LayoutsFixture test;
  test.start();
  const fs::path nested = test.run() / "kata" / id / "root";
  for (int round = 0; round < 3; ++round) {
    fs::create_directories(nested);
    test.loop.pass(5ms);
    CHECK(test.present.empty());
    test.make_socket(nested / "kata.hvsock");
    REQUIRE(test.becomes({id}));
    fs::remove_all(nested);
    REQUIRE(test.becomes({}));
  }
}

TEST_CASE("the hybrid vsock counts before what else is there, also when it comes last") {
  LayoutsFixture test;
  test.start();
  test.make_socket(test.run() / "kata" / id / "root/console.sock");
  REQUIRE(test.becomes({id}));
  CHECK(test.places.back().hypervisor == "qemu");
  test.make_socket(test.run() / "kata" / id / "ch-vm.sock");
  REQUIRE(test.loop.until([&] { return test.places.size() == 2; }));
  CHECK(test.places.back().hypervisor == "cloud-hypervisor");
  CHECK(test.present == std::set{id});
}

TEST_CASE("a VM of the factory that no sandbox has yet is none, and is its sandbox's from the link to it on") {
  LayoutsFixture test;
  test.make_socket(test.run() / "vc/vm" / uuid / "qmp.sock");
  test.start();
  test.make_socket(test.run() / "vc/vm/template/memory.sock");
  test.loop.pass(20ms);
  CHECK(test.present.empty());
  fs::create_directory_symlink(test.run() / "vc/vm" / uuid, test.run() / "vc/vm" / id);
  REQUIRE(test.becomes({id}));
  CHECK(test.places.back().other_id->text() == uuid);
  fs::remove(test.run() / "vc/vm" / id);
  CHECK(test.becomes({}));
}

TEST_CASE("a link takes no other sandbox's processes, nor does a user's") {
  LayoutsFixture test;
  const std::string other(64, 'b');
  test.make_socket(test.run() / "vc/vm" / other / "qmp.sock");
  fs::create_directory_symlink(test.run() / "vc/vm" / other, test.run() / "vc/vm" / id);
  const fs::path users = test.run() / "user/4711/run/vc/vm";
  test.make_socket(users / uuid / "qmp.sock");
  fs::create_directory_symlink(users / uuid, users / std::string(64, 'c'));
  test.start();
  REQUIRE(test.places.size() == 3);
  for (const SandboxPlace& place : test.places) CHECK_FALSE(place.other_id);
}

TEST_CASE("a cut id is completed by the runtime's list or by a shim, whichever comes, and never guessed") {
  LayoutsFixture test;
  const fs::path socket = test.run() / "vc/firecracker" / cut_id / "root/kata.hvsock";
  test.start();
  test.make_socket(socket);
  test.loop.pass(20ms);
  CHECK(test.present.empty());
  SECTION("the list") {
    test.list(id);
  }
  SECTION("a shim") {
    test.shims = {*SandboxId::from_text(id), *SandboxId::from_text(std::string(64, 'b'))};
    test.discovery->look_again();
  }
  SECTION("both") {
    test.shims = {*SandboxId::from_text(id)};
    test.list(id);
  }
  SECTION("two that begin so, until one ends") {
    const std::string twin = cut_id + std::string(32, '0');
    test.list(twin);
    test.shims = {*SandboxId::from_text(id)};
    test.discovery->look_again();
    test.loop.pass(20ms);
    CHECK(test.present.empty());
    fs::remove(test.run() / "vc/sbs" / twin);
  }
  REQUIRE(test.becomes({id}));
  CHECK(test.places.size() == 1);
  CHECK(test.places.back().directory == socket.parent_path().parent_path());
  // It stays that sandbox's.
  fs::remove_all(test.run() / "vc/sbs");
  test.shims.clear();
  test.loop.pass(20ms);
  CHECK(test.present == std::set{id});
  fs::remove(socket);
  CHECK(test.becomes({}));
}

TEST_CASE("a symbolic link to a VM's directory is followed into what is nested in it") {
  LayoutsFixture test;
  const fs::path real = test.run() / "vc/firecracker" / uuid;
  test.make_socket(real / "root/kata.hvsock");
  fs::create_directory_symlink(real, test.run() / "vc/firecracker" / id);
  test.start();
  CHECK(test.present == std::set{id});
  fs::remove(real / "root/kata.hvsock");
  CHECK(test.becomes({}));
}

TEST_CASE("a user's directory takes no other sandbox's place, whoever was there first") {
  LayoutsFixture test;
  const fs::path users = test.run() / "user/4711/run/vc/vm" / id / "clh.sock";
  const fs::path roots = test.run() / "vc/vm" / id / "clh.sock";
  SECTION("root's first") {
    test.make_socket(roots);
    test.start();
    test.make_socket(users);
    test.loop.pass(50ms);
  }
  SECTION("the user's first") {
    test.make_socket(users);
    test.start();
    REQUIRE(test.becomes({id}));
    test.make_socket(roots);
    REQUIRE(test.loop.until([&] { return test.places.back().directory == roots.parent_path(); }));
  }
  CHECK(test.places.back().directory == roots.parent_path());
  // Nor does its end end it.
  fs::remove_all(test.run() / "user/4711");
  test.loop.pass(50ms);
  CHECK(test.present == std::set<std::string>{id});
  fs::remove_all(roots.parent_path());
  CHECK(test.becomes({}));
}

TEST_CASE("a user has a bounded number of sandboxes, and no socket by a link") {
  LayoutsFixture test;
  const fs::path users = test.run() / "user/4711/run/vc/vm";
  for (std::size_t i = 0; i < max_user_sandboxes + 4; ++i) {
    std::string many = std::to_string(100 + i);
    many.insert(0, 64 - many.size(), 'a');
    test.make_socket(users / many / "clh.sock");
  }
  test.make_socket(test.run() / "other.sock");
  fs::create_directories(test.run() / "vc/vm" / id);
  fs::create_symlink(test.run() / "other.sock", test.run() / "vc/vm" / id / "clh.sock");
  test.start();
  CHECK(test.present.size() == max_user_sandboxes);
  CHECK_FALSE(test.present.contains(id));
}

TEST_CASE("a rootless VM goes with its user's directory, and what is no user's is passed over") {
  LayoutsFixture test;
  test.make_socket(test.run() / "user/x1/run/vc/vm" / id / "clh.sock");
  test.start();
  for (int round = 0; round < 3; ++round) {
    // Each VM has a user id of its own.
    const fs::path user = test.run() / "user" / std::to_string(4711 + round);
    test.make_socket(user / "run/vc/vm" / id / "clh.sock");
    REQUIRE(test.becomes({id}));
    fs::remove_all(user);
    REQUIRE(test.becomes({}));
  }
  test.make_socket(test.run() / "user/4711/run/vc/vm" / id / "clh.sock");
  REQUIRE(test.becomes({id}));
  fs::rename(test.run() / "user", test.run() / "old");
  CHECK(test.becomes({}));
}
