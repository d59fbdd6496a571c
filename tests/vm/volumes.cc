#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/vm/daemon.h"
#include "tests/vm/loop_device.h"

// The file systems that the Kata agent mounts for a pod, in memory and on block devices; the kernel's word on them is
// statfs(2).
using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string sandbox = "/run/kata-containers/sandbox";

// A file system at a path, which is made.
class Mounted {
 public:
  Mounted(std::string path, const char* type, const std::string& source, const std::string& options = "",
          unsigned long flags = 0)
      : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    REQUIRE(mount(source.c_str(), path_.c_str(), type, flags, options.c_str()) == 0);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  ~Mounted() { umount2(path_.c_str(), MNT_DETACH); }

  const std::string& path() const { return path_; }

  struct statfs stat() const {
    struct statfs stat {};
    REQUIRE(statfs(path_.c_str(), &stat) == 0);
    return stat;
  }

  void write(const std::string& name, std::size_t bytes) const {
    std::ofstream file(path_ + "/" + name);
    file << std::string(bytes, 'x') << std::flush;
    REQUIRE(file);
  }

 private:
  std::string path_;
};

class Tmpfs : public Mounted {
 public:
  Tmpfs(std::string path, const char* options) : Mounted(std::move(path), "tmpfs", "tmpfs", options) {}
};

const wire::Volume* find(const wire::Snapshot& snapshot, const std::string& mount_point) {
  const auto found = std::find_if(snapshot.volumes.begin(), snapshot.volumes.end(),
                                  [&](const wire::Volume& volume) { return volume.name == mount_point; });
  return found == snapshot.volumes.end() ? nullptr : &*found;
}

// This thread, from now on.
void run_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  REQUIRE(sched_setaffinity(0, sizeof(set), &set) == 0);
}

bool is_equal(const struct statfs& a, const struct statfs& b) {
  return a.f_blocks == b.f_blocks && a.f_bfree == b.f_bfree && a.f_files == b.f_files && a.f_ffree == b.f_ffree;
}

// The kernel may write meanwhile.
void check_like_statfs(const Daemon& daemon, const Mounted& mounted, const LoopDevice* device = nullptr) {
  INFO(mounted.path());
  for (int attempt = 0; attempt < 20; ++attempt) {
    const struct statfs stat = mounted.stat();
    const wire::Snapshot snapshot = daemon.dump().snapshot;
    if (!is_equal(stat, mounted.stat())) continue;
    const wire::Volume* ours = find(snapshot, mounted.path());
    REQUIRE(ours != nullptr);
    const auto block = static_cast<std::uint64_t>(stat.f_bsize);
    CHECK(ours->used_bytes == (stat.f_blocks - stat.f_bfree) * block);
    CHECK(ours->limit_bytes == stat.f_blocks * block);
    CHECK(ours->free_inodes == stat.f_ffree);
    CHECK(ours->inodes == stat.f_files);
    CHECK(ours->major == (device != nullptr ? device->major() : 0));
    CHECK(ours->minor == (device != nullptr ? device->minor() : 0));
    return;
  }
  FAIL("the file system does not come to rest");
}

// What a file system that was just made shows, and one that was written to and deleted from on two CPUs.
void check_while_used(const Daemon& daemon, const Mounted& mounted, const LoopDevice& device) {
  check_like_statfs(daemon, mounted, &device);
  const std::uint64_t before = find(daemon.dump().snapshot, mounted.path())->used_bytes;
  for (int i = 0; i < 20; ++i) {
    run_on(i % 2);
    mounted.write(std::to_string(i), 100'000 + static_cast<std::size_t>(i) * 3000);
  }
  check_like_statfs(daemon, mounted, &device);
  sync();
  check_like_statfs(daemon, mounted, &device);
  CHECK(find(daemon.dump().snapshot, mounted.path())->used_bytes > before + 2'000'000);
  for (int i = 0; i < 10; ++i) std::filesystem::remove(mounted.path() + "/" + std::to_string(i));
  check_like_statfs(daemon, mounted, &device);
}

void make(const std::string& command) {
  INFO(command);
  REQUIRE(std::system((command + " >/dev/null 2>&1").c_str()) == 0);
}

}  // namespace

TEST_CASE("A pod's volumes in memory are what statfs says, by their mount points", "[any][guest]") {
  const Tmpfs shm(sandbox + "/shm", "size=64m");
  const Tmpfs cache(sandbox + "/ephemeral/cache", "size=32m,nr_inodes=100");
  const Tmpfs plain(sandbox + "/ephemeral/by-default", "");
  const Daemon daemon;
  check_like_statfs(daemon, shm);
  check_like_statfs(daemon, cache);
  check_like_statfs(daemon, plain);

  // From both CPUs, and odd numbers of pages: some of them are in no shared count yet.
  for (int i = 0; i < 20; ++i) {
    run_on(i % 2);
    cache.write(std::to_string(i), 7 * 4096 + 1);
    shm.write(std::to_string(i), static_cast<std::size_t>(i) * 3000);
  }
  check_like_statfs(daemon, shm);
  check_like_statfs(daemon, cache);
  CHECK(find(daemon.dump().snapshot, cache.path())->used_bytes == 20 * 8 * 4096);
  std::filesystem::remove(cache.path() + "/3");
  check_like_statfs(daemon, cache);
}

TEST_CASE("Volumes come and go; what is not the pod's, or has no limit, is not among them", "[any][guest]") {
  const Tmpfs other("/run/ephemeral/mine", "");
  const Tmpfs deeper(sandbox + "/ephemeral/outer/inner", "");
  const Tmpfs elsewhere("/run/other/sandbox/ephemeral/mine", "");
  const Daemon daemon;
  const std::size_t before = daemon.dump().snapshot.volumes.size();
  for (const Tmpfs* tmpfs : {&other, &deeper, &elsewhere}) {
    CHECK(find(daemon.dump().snapshot, tmpfs->path()) == nullptr);
  }
  {
    const Tmpfs endless(sandbox + "/ephemeral/endless", "size=0,nr_inodes=0");
    const wire::Snapshot snapshot = daemon.dump().snapshot;
    CHECK(snapshot.volumes.size() == before + 1);
    REQUIRE(find(snapshot, endless.path()) != nullptr);
    CHECK(find(snapshot, endless.path())->limit_bytes == 0);
    CHECK(find(snapshot, endless.path())->inodes == 0);
  }
  CHECK(daemon.dump().snapshot.volumes.size() == before);
}

TEST_CASE("An ext4 that can be written to is what statfs says, once, by its device", "[any][guest]") {
  const LoopDevice device(64 << 20);
  make("mkfs.ext4 -q " + device.path());
  const std::string path = sandbox + "/storage/MDIvMDA=";
  const Daemon daemon;
  {
    const Mounted data(path, "ext4", device.path());
    const Mounted again("/run/again", nullptr, data.path(), "", MS_BIND);
    check_while_used(daemon, data, device);
    CHECK(find(daemon.dump().snapshot, again.path()) == nullptr);
  }
  const Mounted read_only(path, "ext4", device.path(), "", MS_RDONLY);
  CHECK(find(daemon.dump().snapshot, path) == nullptr);
}

TEST_CASE("An ext4 with clusters of blocks and little else is what statfs says", "[any][guest]") {
  const LoopDevice device(64 << 20);
  make("mkfs.ext4 -q -b 1024 -O bigalloc -C 16384 -N 500 -m 0 " + device.path());
  const Daemon daemon;
  const Mounted data(sandbox + "/storage/bigalloc", "ext4", device.path());
  check_while_used(daemon, data, device);
}

TEST_CASE("An xfs is what statfs says, where the kernel describes its types", "[any][guest]") {
  const LoopDevice device(320 << 20);
  make("mkfs.xfs -q " + device.path());
  std::system("modprobe xfs 2>/dev/null");
  const std::string types = "/sys/kernel/btf/xfs";
  const std::string path = sandbox + "/storage/xfs";
  std::filesystem::create_directories(path);
  if (mount(device.path().c_str(), path.c_str(), "xfs", 0, nullptr) != 0) {
    WARN("this kernel has no xfs");
    return;
  }
  umount(path.c_str());
  const Mounted data(path, "xfs", device.path());
  const Daemon daemon;
  if (!std::filesystem::exists(types)) {
    CHECK(find(daemon.dump().snapshot, path) == nullptr);
    return;
  }
  check_while_used(daemon, data, device);
}

TEST_CASE("What a container's overlay is written to is a volume, once, by a mount of its own", "[any][guest]") {
  std::system("modprobe overlay 2>/dev/null");
  const bool is_module = std::filesystem::exists("/sys/module/overlay/initstate");
  const bool is_known = !is_module || std::filesystem::exists("/sys/kernel/btf/overlay");
  const LoopDevice device(64 << 20);
  make("mkfs.ext4 -q " + device.path());
  const Tmpfs memory("/run/kata-containers", "size=32m");
  const Mounted image(memory.path() + "/image", "ext4", device.path());
  const auto overlay = [](const Mounted& upper, const std::string& name) {
    for (const char* folder : {"/lower", "/upper", "/work"}) {
      std::filesystem::create_directories(upper.path() + "/" + name + folder);
    }
    const std::string base = upper.path() + "/" + name;
    return "lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work";
  };
  const std::string containers = memory.path() + "/";
  const Mounted on_disk(containers + std::string(64, 'a') + "/rootfs", "overlay", "overlay", overlay(image, "a"));
  const Daemon daemon;
  CHECK(find(daemon.dump().snapshot, memory.path()) == nullptr);
  const Mounted in_memory(containers + std::string(64, 'b') + "/rootfs", "overlay", "overlay", overlay(memory, "b"));
  const Mounted another(containers + std::string(64, 'c') + "/rootfs", "overlay", "overlay", overlay(memory, "c"));
  in_memory.write("file", 1'000'000);
  on_disk.write("file", 1'000'000);
  sync();
  check_like_statfs(daemon, image, &device);
  if (is_known) {
    check_like_statfs(daemon, memory);
  } else {
    CHECK(find(daemon.dump().snapshot, memory.path()) == nullptr);
  }
  for (const Mounted* rootfs : {&on_disk, &in_memory, &another}) {
    CHECK(find(daemon.dump().snapshot, rootfs->path()) == nullptr);
  }
}
