#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::size_t count_with(const std::vector<std::string>& lines, std::size_t from, const std::string& text) {
  std::size_t count = 0;
  for (std::size_t i = from; i < lines.size(); ++i) count += lines[i].find(text) != std::string::npos ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("In steady state no file of a cgroup is opened, and nothing is done while nobody asks") {
  const std::string trace = "/tmp/katameter-strace";
  const TestCgroup cgroup('b');
  Workload workload(cgroup);
  const Daemon daemon({"strace", "-D", "-f", "-o", trace});
  // The trace has to show what it is looked through for: the self-check opens files of cgroups.
  const std::size_t start = lines_of(trace).size();
  REQUIRE(count_with(lines_of(trace), 0, ", \"/sys/fs/cgroup") > 0);

  for (int round = 0; round < 10; ++round) {
    const TestCgroup brief('c');
    workload.burn_cpu_ms(1);
    REQUIRE(Daemon::find(daemon.dump(), cgroup.id()));
  }
  const std::vector<std::string> asked = lines_of(trace);
  REQUIRE(count_with(asked, start, "/collect_memory\"") >= 10);
  CHECK(count_with(asked, start, "/sys/fs/cgroup") == 0);
  // To leave the page cache, the program opens itself once, after the first collects.
  CHECK(count_with(asked, start, "\"/proc/self/exe\"") == 1);
  CHECK(count_with(asked, start, "open") == count_with(asked, start, "\"/sys/fs/bpf/katameter/") + 1);
  CHECK(count_with(asked, start, " bpf(") == 0);
  CHECK(count_with(asked, start, "EPERM") == 0);  // what the seccomp filter refused, something had wanted

  sleep(3);  // whatever the last answer left to be written is in the trace by now
  const std::size_t silent = lines_of(trace).size();
  sleep(5);
  workload.burn_cpu_ms(50);
  { const TestCgroup unseen('d'); }
  sleep(5);
  CHECK(lines_of(trace).size() == silent);
}
