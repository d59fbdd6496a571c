#include "host-probe/exposition/own_process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace katameter {
namespace {

using prometheus::MetricType;

constexpr Descriptor cpu{"process_cpu_seconds_total", "CPU time of host-probe, user and system, in seconds.",
                         MetricType::Counter};
constexpr Descriptor resident{"process_resident_memory_bytes", "Resident memory of host-probe, in bytes.",
                              MetricType::Gauge};
constexpr Descriptor virtual_memory{"process_virtual_memory_bytes", "Address space of host-probe, in bytes.",
                                    MetricType::Gauge};
constexpr Descriptor open_fds{"process_open_fds", "Descriptors that host-probe has open.", MetricType::Gauge};
constexpr Descriptor max_fds{"process_max_fds", "Descriptors that host-probe may have open.", MetricType::Gauge};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

void add_own_process(Families& families) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) families.add(cpu, {}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
  std::ifstream statm("/proc/self/statm");
  const double page = static_cast<double>(getpagesize());
  if (double size = 0, pages = 0; statm >> size >> pages) {
    families.add(virtual_memory, {}, size * page);
    families.add(resident, {}, pages * page);
  }
  std::error_code error;
  const std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  // One of them is the folder itself.
  if (!error) families.add(open_fds, {}, static_cast<double>(std::distance(begin(descriptors), end(descriptors)) - 1));
  if (rlimit limit{}; getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.add(max_fds, {}, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace katameter
