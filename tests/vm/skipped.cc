#include <bpf/bpf.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "tests/vm/daemon.h"
#include "userspace/bpf/load.h"
#include "userspace/fd.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

bool kernel_counts() {
  const std::array nothing{instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
                           instruction(BPF_JMP | BPF_EXIT, 0, 0, 0)};
  const Fd program(
      bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "katameter_test", "GPL", nothing.data(), nothing.size(), nullptr));
  REQUIRE(program);
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(program.get()));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return text.find("recursion_misses:") != std::string::npos;
}

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
  // Where the kernel does not count, nothing is kept open.
  CHECK((kernel_counts() ? programs >= 7 : programs == 0));
  return sum;
}

}  // namespace

TEST_CASE("What the kernel skipped is reported as its fdinfo shows it, without any capability", "[any][life]") {
  const Daemon daemon;
  const wire::Guest guest = daemon.dump().snapshot.guest;
  const std::optional<std::uint64_t> shown = misses_of(daemon.pid());
  std::optional<std::uint64_t> reported;
  for (const wire::GuestFigure& figure : wire::guest_figures) {
    if (!figure.name.starts_with("program_misses_") || !(guest.*figure.value)) continue;
    reported = reported.value_or(0) + *(guest.*figure.value);
  }
  CHECK(reported == shown);
  CHECK(guest.program_misses_cgroup_rmdir.has_value() == shown.has_value());
  CHECK(guest.program_misses_reclaim.has_value() == shown.has_value());
  CHECK_FALSE(guest.program_misses_sched_process_free);  // attached with --schedstat
}
