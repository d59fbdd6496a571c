#include "userspace/bpf/kept_progress.h"

#include <unistd.h>

namespace katameter {

Result<KeptProgress> KeptProgress::map(const Fd& map, std::uint64_t now_ns) {
  static_assert(sizeof(kept_record) <= 4096);
  Result<Mapping> mapping = Mapping::writable(map, static_cast<std::size_t>(getpagesize()));
  if (!mapping) return failure_from(mapping.error());
  KeptProgress kept(*std::move(mapping));
  if (kept.get().instance_ns == 0) {
    kept.update([&](progress& progress) {
      progress.instance_ns = now_ns;
      return true;
    });
  }
  return kept;
}

}  // namespace katameter
