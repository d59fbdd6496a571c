#include "tests/vm/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

namespace katameter::guest {
namespace {

constexpr std::uint64_t sector = 512;

}  // namespace

LoopDevice::LoopDevice(std::uint64_t bytes) {
  // Built in, or a module.
  if (access("/dev/loop-control", F_OK) != 0) REQUIRE(std::system("modprobe loop") == 0);
  const Fd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  REQUIRE(control);
  const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
  REQUIRE(number >= 0);
  minor_ = static_cast<std::uint32_t>(number);
  device_ = Fd(open(path().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  REQUIRE(device_);
  const Fd memory(memfd_create("block-device", MFD_CLOEXEC));
  REQUIRE(ftruncate(memory.get(), static_cast<off_t>(bytes)) == 0);
  REQUIRE(ioctl(device_.get(), LOOP_SET_FD, memory.get()) == 0);
  before_ = read_stat().counted;
}

LoopDevice::~LoopDevice() {
  ioctl(device_.get(), LOOP_CLR_FD, 0);
}

LoopDevice::Stat LoopDevice::read_stat() const {
  std::ifstream file("/sys/block/loop" + std::to_string(minor_) + "/stat");
  std::uint64_t merged = 0;
  std::uint64_t ms = 0;
  std::uint64_t discards = 0;
  Stat stat;
  wire::BlockDevice& counted = stat.counted;
  REQUIRE(file >> counted.reads >> merged >> counted.read_bytes >> ms);
  REQUIRE(file >> counted.writes >> merged >> counted.write_bytes >> ms >> stat.under_way);
  REQUIRE(file >> ms >> ms >> discards >> merged >> counted.discard_bytes);
  counted.read_bytes *= sector;
  counted.write_bytes *= sector;
  counted.discard_bytes *= sector;
  return stat;
}

LoopDevice::Stat LoopDevice::stat() const {
  Stat stat = read_stat();
  for (const wire::BlockDeviceFigure& figure : wire::block_device_figures) {
    stat.counted.*figure.value -= before_.*figure.value;
  }
  return stat;
}

wire::BlockDevice LoopDevice::completed() const {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const Stat now = stat();
    if (now.under_way == 0) return now.counted;
    usleep(1000);
  }
  FAIL("requests stay under way");
  return {};
}

wire::BlockDevice LoopDevice::of(const wire::Container& container) const {
  for (const wire::BlockDevice& device : container.block_devices) {
    if (device.major == major() && device.minor == minor_) return device;
  }
  return {};
}

}  // namespace katameter::guest
