#include <catch2/catch.hpp>

#include "tests/host-probe/pods/containerd.h"
#include "tests/node/host_probe.h"
#include "tests/node/run_containerd.h"
#include "tests/node/sandbox.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host::testing;
using katameter::testing::TemporaryDirectory;

// The pod and its container are runc's, under the name of Kata's shim; the VM with the pod's id is beside them.
TEST_CASE("A VM and its containers have the names that containerd gave them", "[all]") {
  const TemporaryDirectory directory;
  const AtRunContainerd mounted(directory.path() / "run" / "containerd");
  Containerd containerd(directory.path());
  containerd.start();
  const ContainerId pod = containerd.run_pod("shop", "web-0");
  const ContainerId app = containerd.run_container(pod, "app", "katameter.test/sleeper:2");

  HostProbe probe;
  Sandbox sandbox({.shim = false, .id = pod});
  sandbox.wait_ready();
  sandbox.run("make_container " + app.hex());
  CHECK(probe.becomes("katameter_sandbox_info",
                      {{"sandbox_id", pod.hex()}, {"namespace", "shop"}, {"pod", "web-0"}, {"runtime_handler", "kata"}},
                      1));
  CHECK(probe.becomes("container_threads",
                      {{"id", "/kata/" + pod.hex() + "/" + app.hex()},
                       {"namespace", "shop"},
                       {"pod", "web-0"},
                       {"container", "app"},
                       {"image", "katameter.test/sleeper:2"}},
                      0));
  CHECK(probe.becomes("katameter_runtime_kata_pods_found", {}, 1));
}
