#pragma once

#include <sys/mount.h>

#include <catch2/catch.hpp>
#include <filesystem>

namespace katameter::host::testing {

/// What a containerd has in its directory, at the node's own place for it. Has to outlive that containerd's containers: the
/// shims keep runc's state at this place, whatever the directory.
class AtRunContainerd {
 public:
  explicit AtRunContainerd(const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    std::filesystem::create_directories(place);
    REQUIRE(mount(directory.c_str(), place, nullptr, MS_BIND, nullptr) == 0);
  }
  ~AtRunContainerd() { umount2(place, MNT_DETACH); }
  AtRunContainerd(const AtRunContainerd&) = delete;
  AtRunContainerd& operator=(const AtRunContainerd&) = delete;

 private:
  static constexpr const char* place = "/run/containerd";
};

}  // namespace katameter::host::testing
