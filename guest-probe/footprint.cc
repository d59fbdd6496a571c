#include "guest-probe/footprint.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

// ld's: where the program begins and where its code ends.
extern "C" const char __executable_start[];
extern "C" const char etext[];

namespace katameter {

void shed_startup_memory() {
  malloc_trim(0);
  const auto page = static_cast<std::uintptr_t>(getpagesize());
  const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(__executable_start) / page * page;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(etext) + page - 1) / page * page;
  // Nothing is lost: these pages were never written to. Where it fails, they stay.
  madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
}

}  // namespace katameter
