#include "guest-probe/server/footprint.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "userspace/fd.h"

namespace katameter::guest {
namespace {

// Code and constants: never written to, so that nothing is lost with these pages. Where it fails, they stay.
int drop_constant_pages(dl_phdr_info* object, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(getpagesize());
  for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t first = (object->dlpi_addr + segment.p_vaddr) / page * page;
    const std::uintptr_t last = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): ELF has numbers
    auto* const address = reinterpret_cast<void*>(first);
    const std::size_t size = (last - first + page - 1) / page * page;
    madvise(address, size, MADV_RANDOM);
    madvise(address, size, MADV_DONTNEED);
  }
  return 0;
}

// A page that is needed again brings all those around it that are in the page cache (do_fault_around), 1.2 MiB with ten
// containers. So that there are none, the program leaves the cache, too, and by MADV_RANDOM no page is read ahead.
void leave_page_cache() {
  const Fd program(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (program) posix_fadvise(program.get(), 0, 0, POSIX_FADV_DONTNEED);
}

}  // namespace

void shed_startup_memory() {
  malloc_trim(0);
  dl_iterate_phdr(drop_constant_pages, nullptr);
  leave_page_cache();
}

}  // namespace katameter::guest
