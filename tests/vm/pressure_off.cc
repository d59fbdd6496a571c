#include <sys/mount.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
  REQUIRE(pipe != nullptr);
  std::string text;
  for (std::array<char, 4096> part{}; fgets(part.data(), part.size(), pipe.get()) != nullptr;) text += part.data();
  return text;
}

std::uint64_t some_cpu_us(const TestCgroup& cgroup) {
  std::ifstream file(cgroup.file_path("cpu", "cpu.pressure"));
  std::string line;
  REQUIRE(std::getline(file, line));
  return std::strtoull(line.c_str() + line.find("total=") + 6, nullptr, 10);
}

void wait_for_cpu(const TestCgroup& cgroup) {
  std::array<std::unique_ptr<Workload>, 4> burning;
  for (auto& each : burning) {
    each = std::make_unique<Workload>(cgroup);
    each->start_burning_ms(150);
  }
  for (auto& each : burning) each->wait_done();
}

}  // namespace

// v2 alone, as in pressure.cc.
TEST_CASE(
    "pressure v2: a cgroup for which it is switched off has no figure of it, and the right one when it is on again",
    "[pressure]") {
  const Daemon daemon;
  const TestCgroup cgroup('1');
  const TestCgroup other('2');
  if (!cgroup.has("cpu", "cgroup.pressure")) return;  // before 6.1 it cannot be switched off
  wait_for_cpu(cgroup);
  const wire::Container on = row_of(daemon, cgroup.id());
  REQUIRE(on.cpu_waiting_ns);
  CHECK(*on.cpu_waiting_ns > 0);

  cgroup.write("cpu", "cgroup.pressure", "0");
  wait_for_cpu(cgroup);
  for (int snapshot = 0; snapshot < 2; ++snapshot) {
    const wire::Container off = row_of(daemon, cgroup.id());
    for (const auto figure : {off.cpu_waiting_ns, off.cpu_stalled_ns, off.memory_waiting_ns, off.memory_stalled_ns,
                              off.io_waiting_ns, off.io_stalled_ns}) {
      CHECK_FALSE(figure);
    }
    CHECK(off.cpu_usage_ns);
    CHECK(row_of(daemon, other.id()).cpu_waiting_ns);
  }

  cgroup.write("cpu", "cgroup.pressure", "1");
  wait_for_cpu(cgroup);
  const std::uint64_t before = some_cpu_us(cgroup);
  const wire::Container again = row_of(daemon, cgroup.id());
  const std::uint64_t after = some_cpu_us(cgroup);
  REQUIRE(again.cpu_waiting_ns);
  CHECK(*again.cpu_waiting_ns > *on.cpu_waiting_ns);
  CHECK(*again.cpu_waiting_ns >= before * 1000);
  CHECK(*again.cpu_waiting_ns < (after + 1) * 1000);
}

TEST_CASE("pressure v2: a kernel that has it and does not count is not asked, and check says what to do",
          "[pressure]") {
  if (!std::filesystem::exists("/proc/pressure")) {
    CHECK(output_of(GUEST_PROBE " check").find("psi=1") != std::string::npos);
    return;
  }
  // As with CONFIG_PSI_DEFAULT_DISABLED, as far as anyone can see.
  REQUIRE(mount("none", "/proc/pressure", "tmpfs", 0, nullptr) == 0);
  const std::string said = output_of(GUEST_PROBE " check");
  {
    const Daemon daemon;
    const TestCgroup cgroup('1');
    CHECK_FALSE(row_of(daemon, cgroup.id()).cpu_waiting_ns);
  }
  REQUIRE(umount("/proc/pressure") == 0);
  INFO(said);
  CHECK(said.find("psi=1") != std::string::npos);
  CHECK(output_of(GUEST_PROBE " check").find("psi=1") == std::string::npos);
}
