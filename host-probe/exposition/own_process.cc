#include "host-probe/exposition/own_process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "host-probe/exposition/own_process_metrics.h"

namespace katameter {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

void add_own_process(Families& families) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    families.add(metric::own_cpu, {}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
  std::ifstream statm("/proc/self/statm");
  const double page = static_cast<double>(getpagesize());
  if (double size = 0, pages = 0; statm >> size >> pages) {
    families.add(metric::own_virtual, {}, size * page);
    families.add(metric::own_resident, {}, pages * page);
  }
  std::error_code error;
  const std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  // One of them is the folder itself.
  if (!error)
    families.add(metric::own_open_fds, {},
                 static_cast<double>(std::distance(begin(descriptors), end(descriptors)) - 1));
  if (rlimit limit{}; getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.add(metric::own_max_fds, {}, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace katameter
