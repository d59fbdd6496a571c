#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "tests/vm/daemon.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

namespace katameter::guest {

inline constexpr std::uint64_t page_bytes = 4096;

/// The container's row of a snapshot taken now.
inline wire::Container memory_row(const Daemon& daemon, const TestCgroup& cgroup) {
  auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  return *row;
}

struct Faults {
  std::uint64_t minor = 0;
  std::uint64_t major = 0;
};

/// What the kernel counted for the process alone: /proc/PID/stat (proc(5)), fields 10 and 12.
inline Faults faults_of(const Workload& workload) {
  std::ifstream file("/proc/" + std::to_string(workload.pid()) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 10; ++field) rest >> skipped;
  Faults faults;
  rest >> faults.minor >> skipped >> faults.major;
  REQUIRE(rest);
  return faults;
}

}  // namespace katameter::guest
