#pragma once

#include <string>

#include "guest-probe/server/dump.h"
#include "tests/vm/cgroup_files.h"

// Containers that have ended when guest-probe is asked.
namespace katameter::guest {

struct Lived {
  std::string id;
  CpuFile cpu;  // what the kernel's file said last
};

/// A container that comes, works and goes.
Lived live_briefly(char digit);
/// The same, ended by the OOM killer.
Lived run_out_of_memory(char digit, const std::string& comm);

std::size_t rows_with(const Dump& dump, const std::string& id);
/// That it is reported once, as removed, and with all of its CPU time.
void require_final_row(const Dump& dump, const Lived& lived);

}  // namespace katameter::guest
