#include "host-probe/metrics/table.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/support/exposition_text.h"
#include "tests/support/rendered.h"

using namespace katameter;
using namespace katameter::host;

namespace {

const ContainerId sandbox = *ContainerId::from_hex(sandbox_hex);
const ContainerId container = *ContainerId::from_hex(container_hex);

Series labels_of(const ContainerId& id, const SandboxNames* names) {
  const auto series = parse_exposition("container_labels{" + container_labels(sandbox, id, names).text() + "} 1\n");
  REQUIRE(series);
  REQUIRE(series->size() == 1);
  return {series->front().labels.begin(), series->front().labels.end()};
}

SandboxNames some_names() {
  SandboxNames names;
  names.pod_namespace = "shop";
  names.pod = "web-0";
  names.image = "registry.k8s.io/pause:3.9";
  names.containers[container] = {"app", "docker.io/library/nginx:1.21"};
  return names;
}

}  // namespace

TEST_CASE("a container has cAdvisor's six labels") {
  const SandboxNames names = some_names();
  CHECK(labels_of(container, &names) == Series{{"id", "/kata/" + sandbox_hex + "/" + container_hex},
                                               {"name", container_hex},
                                               {"image", "docker.io/library/nginx:1.21"},
                                               {"namespace", "shop"},
                                               {"pod", "web-0"},
                                               {"container", "app"}});
}

TEST_CASE("the pause container stands for the pod: its container label is empty") {
  SandboxNames names = some_names();
  names.containers[sandbox] = {"pause", "another"};
  CHECK(labels_of(sandbox, &names) == Series{{"id", "/kata/" + sandbox_hex + "/" + sandbox_hex},
                                             {"name", sandbox_hex},
                                             {"image", "registry.k8s.io/pause:3.9"},
                                             {"namespace", "shop"},
                                             {"pod", "web-0"},
                                             {"container", ""}});
}

TEST_CASE("what is not known is empty, label by label") {
  const SandboxNames names = some_names();
  const Series of_unknown = labels_of(*ContainerId::from_hex(std::string(64, 'f')), &names);
  CHECK(of_unknown.at("pod") == "web-0");
  CHECK(of_unknown.at("container").empty());
  CHECK(of_unknown.at("image").empty());
  const Series of_nothing = labels_of(container, nullptr);
  CHECK(of_nothing.size() == 6);
  CHECK(of_nothing.at("name") == container_hex);
  for (const char* label : {"image", "namespace", "pod", "container"}) CHECK(of_nothing.at(label).empty());
}
