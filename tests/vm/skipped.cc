#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/vm/daemon.h"

using namespace katameter;

namespace {

// What the kernel shows of all programs that a process has open.
std::optional<std::uint64_t> misses_of(pid_t pid) {
  std::optional<std::uint64_t> sum;
  int programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("prog_tag:")) ++programs;
      if (line.starts_with("recursion_misses:")) sum = sum.value_or(0) + std::stoull(line.substr(line.find('\t')));
    }
  }
  CHECK(programs >= 7);
  return sum;
}

}  // namespace

TEST_CASE("What the kernel skipped is told as its fdinfo shows it, without any capability", "[any][life]") {
  const Daemon daemon;
  const wire::Guest guest = daemon.dump().snapshot.guest;
  const std::optional<std::uint64_t> shown = misses_of(daemon.pid());
  std::optional<std::uint64_t> told;
  for (const wire::GuestFigure& figure : wire::guest_figures) {
    if (!figure.name.starts_with("program_misses_") || !(guest.*figure.value)) continue;
    told = told.value_or(0) + *(guest.*figure.value);
  }
  CHECK(told == shown);
  CHECK(guest.program_misses_cgroup_rmdir.has_value() == shown.has_value());
  CHECK(guest.program_misses_reclaim.has_value() == shown.has_value());
  CHECK_FALSE(guest.program_misses_sched_process_free);  // attached with --schedstat
}
