#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/lived.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

void require_living_row(const Dump& dump, const TestCgroup& cgroup) {
  const CpuFile cpu = final_cpu(cgroup);
  const auto row = Daemon::find(dump, cgroup.id());
  REQUIRE(row);
  REQUIRE(row->cpu_usage_ns);
  CHECK(equals(cpu, *row->cpu_usage_ns));
}

// guest-probe, but for the name of a field in a record that it keeps: to the kernel's BTF and to it another layout.
std::string build_with_another_layout() {
  const std::string path = "/tmp/guest-probe-other-layout";
  std::ifstream input(GUEST_PROBE, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(input), {}};
  const std::string name("\0victim_tgid\0", 13);
  std::size_t renamed = 0;
  for (auto at = bytes.find(name); at != std::string::npos; at = bytes.find(name, at), ++renamed) bytes[at + 1] = 'V';
  REQUIRE(renamed > 0);
  std::ofstream(path, std::ios::binary) << bytes;
  REQUIRE(chmod(path.c_str(), 0755) == 0);
  return path;
}

}  // namespace

TEST_CASE("Upgraded to another build, it goes on: totals to the nanosecond, events and removed containers delivered",
          "[any][life]") {
  Daemon daemon;
  const TestCgroup living('e');
  Workload workload(living);
  workload.burn_cpu_ms(20);
  const Lived before = run_out_of_memory('f', "before");
  const Dump first = daemon.dump();
  REQUIRE(first.hello.version != "next");

  daemon.end(SIGKILL);
  const Lived meanwhile = run_out_of_memory('d', "meanwhile");
  workload.burn_cpu_ms(20);
  daemon.start(GUEST_PROBE "-next");

  const Dump second = daemon.dump();
  CHECK(second.hello.version == "next");
  CHECK(second.hello.instance == first.hello.instance);
  CHECK(second.snapshot.sequence > first.snapshot.sequence);
  require_living_row(second, living);
  require_final_row(second, before);
  require_final_row(second, meanwhile);
  REQUIRE(second.oom_events.size() == 2);
  CHECK(second.oom_events[0].victim_comm == "before");
  CHECK(second.oom_events[1].victim_comm == "meanwhile");
  CHECK(second.oom_events[1].sequence == 2);
  REQUIRE(second.snapshot.guest.workload_cpu_usage_ns);
  CHECK(equals(final_cpu(living) + before.cpu + meanwhile.cpu, *second.snapshot.guest.workload_cpu_usage_ns));
}

TEST_CASE("Upgraded to a build with another layout, it starts clean, says so, and counts on", "[any][life]") {
  const std::string log = "/tmp/katameter-vm-log";
  Daemon daemon({"sh", "-c", "exec \"$@\" 2>" + log, "sh"});
  const TestCgroup living('e');
  Workload workload(living);
  workload.burn_cpu_ms(20);
  const Lived before = run_out_of_memory('f', "before");
  const Dump first = daemon.dump();
  REQUIRE(first.oom_events.size() == 1);

  daemon.end(SIGKILL);
  daemon.start(build_with_another_layout());
  const Dump second = daemon.dump();
  CHECK(std::system(("grep -q 'started clean' " + log).c_str()) == 0);
  CHECK(second.hello.instance != first.hello.instance);
  CHECK(second.oom_events.empty());
  CHECK_FALSE(Daemon::find(second, before.id));
  require_living_row(second, living);
  // It keeps, from here on.
  const Lived after = run_out_of_memory('d', "after");
  const Dump third = daemon.dump();
  require_final_row(third, after);
  REQUIRE(third.oom_events.size() == 1);
  CHECK(third.oom_events[0].sequence == 1);
  CHECK(third.oom_events[0].victim_comm == "after");
}
