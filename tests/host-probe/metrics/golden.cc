#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/fake_report.h"
#include "tests/support/rendered.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;

namespace {

// In the first sandbox every value is another one, so that one metric cannot be served with the value of its neighbour.
NodeReport report_of_distinct_values() {
  NodeReport report = host::testing::fake_report(60, host::testing::NameStyle::ordinary);
  report.unix_seconds = 1'800'000'000;
  SandboxReport& sandbox = report.sandboxes.at(0);
  wire::Guest& guest = sandbox.guest->guest_wide;
  std::uint64_t value = 100;
  for (const wire::ContainerFigure& each : wire::container_figures) {
    sandbox.guest->containers.at(0).*each.value = ++value * second_ns;
  }
  sandbox.guest->containers[0].block_devices = {{253, 16, 1, 2, 3, 4, 5}};
  for (const wire::GuestFigure& each : wire::guest_figures) guest.*each.value = ++value * second_ns;
  guest.containers_unreported = 1;
  guest.interfaces_unreported = 2;
  guest.block_devices_unreported = 3;
  guest.containers_lost = 4;
  guest.oom_events_lost = 5;
  guest.stalls_lost = 6;
  sandbox.guest->interfaces = {{"eth0", 1, 2, 3, 4, 5, 6, 7, 8}};
  wire::Disk& disk = sandbox.guest->disks.emplace_back();
  disk.major = 254;
  disk.minor = 16;
  std::uint64_t of_disk = 50;
  for (const wire::DiskFigure& each : wire::disk_figures) disk.*each.value = ++of_disk * 1000;
  sandbox.guest->volumes = {{"/run/kata-containers/sandbox/shm", 61, 62, 63, 64},
                            {"/run/kata-containers/sandbox/storage/MDIvMDA=", 65, 66, 67, 68, 254, 16}};
  sandbox.oom_events = 10;
  sandbox.oom_kills_by_class = {1, 2, 3, 4, 5};
  for (std::size_t i = 0; i < drop_reasons; ++i) sandbox.rejected[i] = i + 1;
  sandbox.processes->usage[Role::vmm] = {second_ns, 6, 7, 8, 9};
  sandbox.processes->role_memory[Role::vmm] = {10, 11, 12, 13};
  for (std::size_t i = 0; i < cpu_components; ++i) sandbox.account->cpu_ns[i] = (i + 1) * second_ns;
  SharedCosts& costs = sandbox.account->container_costs.begin()->second;
  for (std::size_t i = 0; i < shared_costs; ++i) {
    costs[i] = (30 + i) * second_ns;
    sandbox.account->unattributed_costs[i] = (40 + i) * second_ns;
  }
  sandbox.account->cpu_overhead_ns = 20 * second_ns;
  sandbox.account->cpu_total_ns = 21 * second_ns;
  sandbox.account->steal_ns = 22 * second_ns;
  return report;
}

// Line by line, without what differs between two runs or versions.
std::string comparable(const std::string& text) {
  const std::string version = std::string("\"") + KATAMETER_VERSION + "\"";
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("process_")) line.replace(line.find(' '), std::string::npos, " *");
    if (const auto at = line.find(version); at != std::string::npos) line.replace(at, version.size(), "\"VERSION\"");
    out += line + "\n";
  }
  return out;
}

}  // namespace

// Names, types, help, labels and values of all metrics. After a wanted change: UPDATE_GOLDEN=1 host_probe_tests "*golden*"
TEST_CASE("the exposition of a node that has every value is that of the golden file") {
  const std::string rendered = comparable(rendered_text(report_of_distinct_values()));
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(GOLDEN_FOLDER "/metrics/exposition.golden") << rendered;
  std::ifstream file(GOLDEN_FOLDER "/metrics/exposition.golden");
  REQUIRE(file);
  std::istringstream ours(rendered);
  std::size_t number = 0;
  for (std::string line, expected; std::getline(file, expected);) {
    ++number;
    INFO("line " << number << " of " << GOLDEN_FOLDER "/metrics/exposition.golden");
    REQUIRE(std::getline(ours, line));
    REQUIRE(line == expected);
  }
  CHECK(number > 100);
  std::string more;
  CHECK_FALSE(std::getline(ours, more));
}
