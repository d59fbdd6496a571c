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

/// Each of the guest's two CPUs keeps up to MEMCG_CHARGE_BATCH changes (32 or 64) to itself, so memory.stat may be late: it
/// is only a witness of the order of magnitude.
inline constexpr std::uint64_t late_bytes = 200 * page;

inline bool is_near(std::uint64_t a, std::uint64_t b) {
  return (a > b ? a - b : b - a) <= late_bytes;
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
