#pragma once

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// A BPF ring buffer of which only the wake-up is used: what happened stands elsewhere.
class Doorbell {
 public:
  Doorbell() = default;
  /// Takes over the ring buffer map.
  static Result<Doorbell> map(Fd ring);

  /// Readable from a ring until the next silence(); none (get() < 0) if there is no bell.
  const Fd& fd() const { return ring_; }
  /// Call before looking at what happened. No system call.
  void silence();

 private:
  Fd ring_;
  // kernel/bpf/ringbuf.c: the first page has the consumer's position, the second, read-only, the producer's.
  Mapping consumer_;
  Mapping producer_;
};

}  // namespace katameter
