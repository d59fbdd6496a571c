#pragma once

#include <cstdint>
#include <string>

#include "userspace/fd.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// A block device over memory: a loop device. Any failure ends the test.
class LoopDevice {
 public:
  /// What the device itself counted since it was made, and the requests that are under way; /sys/block/NAME/stat.
  struct Stat {
    wire::BlockDevice counted;
    std::uint64_t under_way = 0;
  };

  explicit LoopDevice(std::uint64_t bytes = 16 << 20);
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;
  ~LoopDevice();

  /// Opened with O_DIRECT, so that each request is one of the device.
  int fd() const { return device_.get(); }
  std::uint32_t major() const { return 7; }
  std::uint32_t minor() const { return minor_; }
  std::string path() const { return "/dev/loop" + std::to_string(minor_); }
  Stat stat() const;
  /// What it counted, when no request is under way any more: it counts one after the waiting process got its answer.
  wire::BlockDevice completed() const;
  /// What a container did on it; zeros if it is not reported.
  wire::BlockDevice of(const wire::Container& container) const;

 private:
  Stat read_stat() const;

  std::uint32_t minor_ = 0;
  Fd device_;
  wire::BlockDevice before_;
};

}  // namespace katameter::guest
