#include "guest-probe/containers/containers.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string id(64, 'a');
const std::string other(64, 'b');

}  // namespace

TEST_CASE("A container is recognised in every form that runtimes use") {
  for (const std::string& component :
       {id, "cri-containerd-" + id + ".scope", "crio-" + id + ".scope", "docker-" + id + ".scope",
        "libpod-" + id + ".scope", "crio-" + id, "nerdctl-" + id + ".scope", "kata_agent-" + id + ".scope",
        "a-b-" + id + ".scope"}) {
    INFO(component);
    const auto found = container_of_component(component);
    REQUIRE(found);
    CHECK(found->hex() == id);
  }
  for (const std::string& component : {std::string("system.slice"), "crio-conmon-" + id + ".scope",
                                       "libpod-conmon-" + id + ".scope", "x" + id + ".scope", id + "0", id + ".slice",
                                       std::string(64, 'A'), std::string(), std::string("cri-containerd-.scope")}) {
    INFO(component);
    CHECK_FALSE(container_of_component(component));
  }
}

TEST_CASE("The outermost container on a path owns what is below it") {
  CHECK_FALSE(container_of_path("/"));
  CHECK_FALSE(container_of_path("/system.slice/kata-agent.service"));

  const auto direct = container_of_path("/cri-containerd/" + id);
  REQUIRE(direct);
  CHECK(direct->id.hex() == id);
  CHECK_FALSE(direct->nested);

  const auto slice = container_of_path("/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + id + ".scope/");
  REQUIRE(slice);
  CHECK_FALSE(slice->nested);

  const auto nested = container_of_path("/k8s.io/" + id + "/docker/" + other);
  REQUIRE(nested);
  CHECK(nested->id.hex() == id);
  CHECK(nested->nested);
}

TEST_CASE("Names from the guest are made printable") {
  CHECK(printable("a\nb\x1b\xff") == "a?b??");
}
