#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/host-probe/processes/support.h"
#include "tests/support/http_get.h"
#include "tests/support/program.h"

// host-probe itself, with the capabilities of its service, where /proc does not show all processes of the node.

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using katameter::testing::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

// Since 5.8 hidepid is of a mount, not of the pid namespace: nothing else sees this /proc.
std::vector<std::string> on_proc_with(const std::string& options, const std::string& more_capabilities) {
  const std::string script =
      "mount -t proc -o $1 proc /proc; bounding=-all,+bpf,+perfmon$2; shift 2; "
      "exec setpriv --bounding-set \"$bounding\" --inh-caps -all \"$@\"";
  return {"unshare", "--mount", "sh", "-ec", script, "sh", options, more_capabilities};
}

/// QEMU under the Go runtime, whose process id is in a file, or under runtime-rs.
struct FakeQemu {
  FakeQemu(const fs::path& run, bool go) : actor(Actor::qemu(id)) {
    const fs::path directory = run / (go ? "vc/vm/" : "kata/") / id.hex();
    make_socket(directory / (go ? "qmp.sock" : "root/console.sock"));
    if (go) std::ofstream(directory / "pid") << actor.pid() << "\n";
  }
  std::string vmm_found(bool found) const {
    return "katameter_sandbox_vmm_found{sandbox_id=\"" + id.hex() + "\"} " + (found ? "1" : "0") + "\n";
  }

  const ContainerId id = fresh_id();
  Actor actor;
};

std::string limitation(const std::string& reason) {
  return "katameter_host_limitation{reason=\"" + reason + "\"} 1\n";
}

/// Scrapes until the answer has each of these, for a minute at most; the last answer.
std::string scrape_until(const std::string& address, const std::vector<std::string>& expected) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (true) {
    std::string answer = http_get(address, "/metrics");
    const auto has = [&](const std::string& text) { return answer.find(text) != std::string::npos; };
    if (std::ranges::all_of(expected, has) || std::chrono::steady_clock::now() > end) return answer;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE(
    "what /proc with hidepid hides is said once, and is not taken for dead; with CAP_SYS_PTRACE nothing is hidden") {
  // The kernel exempts a group from the first two: root's, unless it is told another.
  const std::string options =
      GENERATE("hidepid=0", "hidepid=2", "hidepid=1,gid=65534", "hidepid=2,gid=65534", "hidepid=4");
  const std::string more_capabilities = GENERATE("", ",+sys_ptrace");
  const bool hides = (options.ends_with(",gid=65534") || options == "hidepid=4") && more_capabilities.empty();
  INFO(options << " capabilities: +bpf,+perfmon" << more_capabilities);
  const TemporaryDirectory temporary;
  const fs::path run = temporary.path() / "run";
  const FakeQemu go(run, true);
  const FakeQemu rust(run, false);

  Program probe(
      {"--run-root", run, "--web.listen-address", "127.0.0.1:0", "--state-file", "", "--runtime-endpoint", "none"},
      nullptr, on_proc_with(options, more_capabilities));
  const std::string address = probe.addresses().front();
  const FakeQemu later(run, true);
  const std::vector<std::string> expected{go.vmm_found(!hides), rust.vmm_found(!hides), later.vmm_found(true)};
  const std::string answer = scrape_until(address, expected);
  for (const std::string& series : expected) CHECK_THAT(answer, Catch::Contains(series));
  CHECK(count(answer, limitation("hidepid")) == (hides ? 1U : 0U));

  const std::string log = probe.said() + probe.take();
  CHECK(count(log, "reason=hidepid") == (hides ? 1U : 0U));
  CHECK(count(log, "values of the host are limited") == (hides ? 1U : 0U));
  CHECK(count(log, "passed over") == 0);
}

TEST_CASE("in a pid namespace of its own, host-probe takes no directory for dead whose process it cannot see") {
  const TemporaryDirectory temporary;
  const fs::path run = temporary.path() / "run";
  const FakeQemu go(run, true);
  const FakeQemu rust(run, false);

  Program probe(
      {"--run-root", run, "--web.listen-address", "127.0.0.1:0", "--state-file", "", "--runtime-endpoint", "none"},
      nullptr, {"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"});
  const std::vector<std::string> expected{go.vmm_found(false), rust.vmm_found(false), limitation("pid_namespace")};
  const std::string answer = scrape_until(probe.addresses().front(), expected);
  for (const std::string& series : expected) CHECK_THAT(answer, Catch::Contains(series));

  const std::string log = probe.said() + probe.take();
  CHECK(count(log, "reason=pid_namespace") == 1);
  CHECK(count(log, "passed over") == 0);
}
