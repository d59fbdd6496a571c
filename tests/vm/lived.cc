#include "tests/vm/lived.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

namespace katameter::guest {

Lived live_briefly(char digit) {
  const TestCgroup cgroup(digit);
  { Workload(cgroup).burn_cpu_ms(10); }
  return {cgroup.id(), final_cpu(cgroup)};
}

Lived run_out_of_memory(char digit, const std::string& comm) {
  const TestCgroup cgroup(digit);
  limit_memory(cgroup, 16 << 20);
  { REQUIRE(WIFSIGNALED(Workload(cgroup, comm).run_out_of_memory(16384))); }
  return {cgroup.id(), final_cpu(cgroup)};
}

std::size_t rows_with(const Dump& dump, const std::string& id) {
  std::size_t rows = 0;
  for (const wire::Container& container : dump.snapshot.containers) rows += container.id.hex() == id ? 1 : 0;
  return rows;
}

void require_final_row(const Dump& dump, const Lived& lived) {
  INFO(lived.id);
  REQUIRE(rows_with(dump, lived.id) == 1);
  const auto row = Daemon::find(dump, lived.id);
  CHECK(row->removed);
  REQUIRE(row->cpu_usage_ns);
  CHECK(equals(lived.cpu, *row->cpu_usage_ns));
}

}  // namespace katameter::guest
