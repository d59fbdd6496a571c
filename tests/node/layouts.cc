#include <catch2/catch.hpp>
#include <cmath>

#include "tests/node/cpu_time.h"
#include "tests/node/host_probe.h"
#include "tests/node/sandbox.h"

using namespace katameter;
using namespace katameter::host::testing;

namespace {

struct Kata {
  std::string layout;  // of vmtest/sandbox.sh
  std::string directory;
  std::string reach;
  std::string kernel;  // of its guest
  std::string cgroup;
};

const std::string container(64, 'e');

}  // namespace

TEST_CASE("Each layout is found, and its CPU time is the kernel's", "[all]") {
  const auto kata = GENERATE(Kata{"clh", "vc/vm", "hybrid_vsock", "5.10.262", "v1"},
                             Kata{"clh-rs", "kata", "hybrid_vsock", "kata-like-6.18", "v2"},
                             Kata{"qemu", "vc/vm", "af_vsock", "5.10.262", "v1"},
                             Kata{"qemu-rs", "kata", "af_vsock", "kata-like-6.18", "v2"});
  INFO(kata.layout);
  HostProbe probe;
  Sandbox sandbox({.layout = kata.layout, .kernel = kata.kernel, .cgroup = kata.cgroup});
  const Scrape::Labels of_it{{"sandbox_id", sandbox.id().hex()}};
  sandbox.wait_ready();
  CHECK(probe.becomes("katameter_sandbox_info",
                      {{"sandbox_id", sandbox.id().hex()}, {"layout", kata.directory}, {"reach", kata.reach}}, 1));
  REQUIRE(probe.becomes("katameter_guest_probe_up", of_it, 1));
  sandbox.run("make_container " + container + "; burn_in " + container + " 2");
  const Reading begin(probe, sandbox);
  sandbox.run("burn_in " + container + " 6");
  const Reading end(probe, sandbox);
  check_cpu_time(sandbox.id(), begin, end);
  for (const char* role : {"vcpu", "vmm", "virtiofsd", "shim"}) {
    INFO(role);
    CHECK(end.scrape.sum("katameter_process_cpu_seconds_total", {{"sandbox_id", sandbox.id().hex()}, {"role", role}}) >
          0);
  }
}
