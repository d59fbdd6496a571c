#pragma once

#include <string_view>

#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// The memory of the whole guest, from /proc/meminfo (fs/proc/meminfo.c). The kernel sums most of it up from per-CPU
/// and per-node counters for whoever reads; they have no address that BPF could know in every kernel. Opened once.
class Meminfo {
 public:
  static Result<Meminfo> open();

  /// Fills in the memory figures; one pread(2). What the file does not have stays absent.
  Status read(wire::Guest& guest) const;

 private:
  explicit Meminfo(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

/// What a text of "Name:   number kB" lines says. Lines that are not of this form, or whose number is beyond 64 bits in
/// bytes, are skipped. Memory only, no allocation; any bytes are safe.
void parse_meminfo(std::string_view text, wire::Guest& guest);

}  // namespace katameter::guest
