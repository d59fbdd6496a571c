#include <catch2/catch.hpp>

#include "guest-probe/account/containers.h"
#include "tests/guest-probe/records.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string hex_id(64, 'a');
const std::string other(64, 'b');

name_record made(std::uint64_t cgroup, std::uint64_t ns) {
  name_record record = make_name(cgroup, 1, "x");
  record.made_ns = ns;
  return record;
}

}  // namespace

TEST_CASE("A container is recognised in every form that runtimes use") {
  for (const std::string& component :
       {hex_id, "cri-containerd-" + hex_id + ".scope", "crio-" + hex_id + ".scope", "docker-" + hex_id + ".scope",
        "libpod-" + hex_id + ".scope", "crio-" + hex_id, "nerdctl-" + hex_id + ".scope",
        "kata_agent-" + hex_id + ".scope", "a-b-" + hex_id + ".scope"}) {
    INFO(component);
    const auto found = container_of_component(component);
    REQUIRE(found);
    CHECK(found->hex() == hex_id);
  }
  for (const std::string& component :
       {std::string("system.slice"), "crio-conmon-" + hex_id + ".scope", "libpod-conmon-" + hex_id + ".scope",
        "x" + hex_id + ".scope", hex_id + "0", hex_id + ".slice", std::string(64, 'A'), std::string(),
        std::string("cri-containerd-.scope")}) {
    INFO(component);
    CHECK_FALSE(container_of_component(component));
  }
}

TEST_CASE("The outermost container on a path owns what is below it") {
  CHECK_FALSE(container_of_path("/"));
  CHECK_FALSE(container_of_path("/system.slice/kata-agent.service"));

  const auto direct = container_of_path("/cri-containerd/" + hex_id);
  REQUIRE(direct);
  CHECK(direct->id.hex() == hex_id);
  CHECK_FALSE(direct->nested);

  const auto slice = container_of_path("/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + hex_id + ".scope/");
  REQUIRE(slice);
  CHECK_FALSE(slice->nested);

  const auto nested = container_of_path("/k8s.io/" + hex_id + "/docker/" + other);
  REQUIRE(nested);
  CHECK(nested->id.hex() == hex_id);
  CHECK(nested->nested);
}

TEST_CASE("Names from the guest are made printable") {
  CHECK(printable("a\nb\x1b\xff") == "a?b??");
}

TEST_CASE("Paths are put together from a walk's names") {
  CgroupPaths paths;
  const std::vector<name_record> names{make_name(1, 0, ""),     make_name(2, 1, "a"), make_name(3, 2, "b"),
                                       make_name(4, 3, "deep"), make_name(5, 2, "c"), make_name(6, 1, "d")};
  paths.learn(names);
  REQUIRE(paths.find(4) != nullptr);
  CHECK(*paths.find(1) == "/");
  CHECK(*paths.find(2) == "/a");
  CHECK(*paths.find(4) == "/a/b/deep");
  CHECK(*paths.find(5) == "/a/c");
  CHECK(*paths.find(6) == "/d");
  CHECK(paths.find(7) == nullptr);
}

TEST_CASE("What is no longer there is forgotten, and a record without its parent is left out") {
  CgroupPaths paths;
  paths.learn(std::vector<name_record>{make_name(1, 0, ""), make_name(2, 1, "a")});
  paths.learn(std::vector<name_record>{make_name(1, 0, ""), make_name(3, 5, "orphan"), make_name(4, 1, "b\n")});
  CHECK(paths.find(2) == nullptr);
  CHECK(paths.find(3) == nullptr);
  REQUIRE(paths.find(4) != nullptr);
  CHECK(*paths.find(4) == "/b?");
  CHECK(paths.size() == 2);
}

TEST_CASE("A cgroup's start is when it was made, or what was guessed first, and never changes") {
  StartTimes times;
  times.learn(std::vector{made(1, 0), made(2, 200)});
  CHECK_FALSE(times.find(1));
  CHECK(times.find(2) == 200);
  times.guess(1, 111);
  times.guess(1, 99);
  times.guess(2, 99);
  CHECK(times.find(1) == 111);
  CHECK(times.find(2) == 200);
  times.learn(std::vector{made(1, 0), made(2, 200), made(3, 300)});
  CHECK(times.find(1) == 111);
  CHECK(times.find(3) == 300);
}

TEST_CASE("A removed cgroup's start is known until the names were read once more") {
  StartTimes times;
  times.learn(std::vector{made(1, 100), made(2, 200)});
  times.learn(std::vector{made(2, 200)});
  CHECK(times.find(1) == 100);
  times.learn(std::vector{made(2, 200)});
  CHECK_FALSE(times.find(1));
}
