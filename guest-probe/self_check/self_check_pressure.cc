#include "guest-probe/self_check/self_check_pressure.h"

#include <fmt/core.h>
#include <time.h>

#include <charconv>
#include <fstream>
#include <string_view>

#include "guest-probe/self_check/check_cgroup.h"

namespace katameter {
namespace {

constexpr std::array<const char*, PRESSURES> names{"cpu_waiting_ns",    "cpu_stalled_ns", "memory_waiting_ns",
                                                   "memory_stalled_ns", "io_waiting_ns",  "io_stalled_ns"};
constexpr std::array<const char*, 3> files{"cpu.pressure", "memory.pressure", "io.pressure"};
constexpr std::uint64_t ns_per_us = 1000;

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and the same with "full"; some and full follow each other in
// PRESSURE_* as well.
PressureFiles read_files(const std::string& directory) {
  PressureFiles figures;
  for (std::size_t file = 0; file < files.size(); ++file) {
    std::ifstream in(directory + "/" + files[file]);
    for (std::string line; std::getline(in, line);) {
      const std::size_t place = 2 * file + (line.starts_with("full") ? 1 : 0);
      constexpr std::string_view key = "total=";
      const std::size_t start = line.find(key);
      std::uint64_t total = 0;
      if (start == std::string::npos) continue;
      const char* end = line.data() + line.size();
      if (std::from_chars(line.data() + start + key.size(), end, total).ptr == end) figures[place] = total;
    }
  }
  return figures;
}

}  // namespace

std::vector<Refusal> compare_pressure(const pressure_totals& totals, const PressureFiles& before,
                                      const PressureFiles& after, std::uint64_t least_busy_ns,
                                      std::uint64_t most_busy_ns, PressureFields& fields) {
  std::vector<Refusal> refusals;
  for (std::size_t i = 0; i < PRESSURES; ++i) {
    const bool counted = (totals.kinds >> i & 1) != 0;
    if (!before[i] || !after[i]) {
      fields[i] = false;
      refusals.push_back({names[i], "this kernel does not count it", true});
    } else if (!counted || totals.busy_ns < least_busy_ns || totals.busy_ns > most_busy_ns) {
      fields[i] = false;
      refusals.push_back({names[i], fmt::format("a cgroup was busy for {} to {} ns, BPF read {}", least_busy_ns,
                                                most_busy_ns, totals.busy_ns)});
    } else {
      bool serve = true;
      judge_figure(refusals, names[i], totals.total_ns[i], *before[i] * ns_per_us, (*after[i] + 1) * ns_per_us, serve);
      fields[i] = serve;
    }
  }
  return refusals;
}

Result<std::vector<Refusal>> self_check_pressure(GuestPrograms& programs, const CheckCgroup& cgroup, int cpus,
                                                 ServedFigures& served) {
  const PressureFiles before = read_files(cgroup.cpuacct_directory());
  const Result<Walk<pressure_record>> walk = programs.walk_pressure();
  if (!walk) return failure_from(walk.error());
  pressure_totals totals{};
  for (const pressure_record& record : walk->containers()) {
    if (record.id == cgroup.cpuacct_id()) totals = record.totals;
  }
  const PressureFiles after = read_files(cgroup.cpuacct_directory());
  const std::uint64_t most_busy_ns = cgroup.age_ns() * static_cast<std::uint64_t>(cpus);
  served.pressure.fill(true);
  // What its process did since the scheduler's clock was last seen may not be known yet.
  return compare_pressure(totals, before, after, CheckCgroup::burnt_ns / 2, most_busy_ns, served.pressure);
}

}  // namespace katameter
