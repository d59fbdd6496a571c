#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// The guest's block devices, from a text as /proc/diskstats.
struct Disks {
  std::vector<wire::Disk> disks;
  std::uint64_t unreported = 0;  ///< beyond wire::max_disks, or of a file that is too long
  std::string last;              ///< the disk whose line was read last: those of its partitions come next
};

/// The counters of the guest's block devices, /proc/diskstats (block/genhd.c, diskstats_show()). Not by BPF: for
/// a reader of the file the kernel looks for the requests in flight among those of the driver, which most kernels count
/// nowhere else, and brings the time with requests up to now. Opened once. 3.4 us for ten devices (6.18, 2 CPUs).
class DiskStats {
 public:
  static Result<DiskStats> open();

  /// The devices that have had a request, without partitions, whose requests are counted for the disk as well. One system
  /// call for each 4 KiB of the file, of which no more than 64 KiB are read. An error if it cannot be read.
  Result<Disks> read() const;

 private:
  explicit DiskStats(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

/// Takes in the whole lines of a text; what comes after the last of them. Lines of another form are skipped; any bytes
/// are safe.
std::string_view parse_diskstats(std::string_view text, Disks& into);

}  // namespace katameter::guest
