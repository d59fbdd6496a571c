#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/vm/daemon.h"

// The volumes in memory that the Kata agent mounts for a pod; the kernel's word on them is statfs(2).
using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string sandbox = "/run/kata-containers/sandbox";

// A tmpfs at a path, which is made.
class Tmpfs {
 public:
  Tmpfs(std::string path, const char* options) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    REQUIRE(mount("tmpfs", path_.c_str(), "tmpfs", 0, options) == 0);
  }
  Tmpfs(const Tmpfs&) = delete;
  Tmpfs& operator=(const Tmpfs&) = delete;
  ~Tmpfs() { umount2(path_.c_str(), MNT_DETACH); }

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

const wire::Volume* find(const wire::Snapshot& snapshot, const std::string& name) {
  const auto found = std::find_if(snapshot.volumes.begin(), snapshot.volumes.end(),
                                  [&](const wire::Volume& volume) { return volume.name == name; });
  return found == snapshot.volumes.end() ? nullptr : &*found;
}

// This thread, from now on.
void run_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  REQUIRE(sched_setaffinity(0, sizeof(set), &set) == 0);
}

void check_like_statfs(const Daemon& daemon, const Tmpfs& tmpfs, const std::string& name) {
  INFO(tmpfs.path());
  const wire::Snapshot snapshot = daemon.dump().snapshot;
  const wire::Volume* ours = find(snapshot, name);
  REQUIRE(ours != nullptr);
  const struct statfs stat = tmpfs.stat();
  const auto block = static_cast<std::uint64_t>(stat.f_bsize);
  CHECK(ours->used_bytes == (stat.f_blocks - stat.f_bfree) * block);
  CHECK(ours->limit_bytes == stat.f_blocks * block);
  CHECK(ours->free_inodes == stat.f_ffree);
  CHECK(ours->inodes == stat.f_files);
}

}  // namespace

TEST_CASE("A pod's volumes in memory are what statfs says, by the names that they have in the pod", "[any][guest]") {
  const Tmpfs shm(sandbox + "/shm", "size=64m");
  const Tmpfs cache(sandbox + "/ephemeral/cache", "size=32m,nr_inodes=100");
  const Tmpfs plain(sandbox + "/ephemeral/by-default", "");
  const Daemon daemon;
  check_like_statfs(daemon, shm, "");
  check_like_statfs(daemon, cache, "cache");
  check_like_statfs(daemon, plain, "by-default");

  // From both CPUs, and odd numbers of pages: some of them are in no shared count yet.
  for (int i = 0; i < 20; ++i) {
    run_on(i % 2);
    cache.write(std::to_string(i), 7 * 4096 + 1);
    shm.write(std::to_string(i), static_cast<std::size_t>(i) * 3000);
  }
  check_like_statfs(daemon, shm, "");
  check_like_statfs(daemon, cache, "cache");
  CHECK(find(daemon.dump().snapshot, "cache")->used_bytes == 20 * 8 * 4096);
  std::filesystem::remove(cache.path() + "/3");
  check_like_statfs(daemon, cache, "cache");
}

TEST_CASE("Volumes come and go; what is not the pod's, or has no limit, is not among them", "[any][guest]") {
  const Tmpfs other("/run/ephemeral/mine", "");
  const Tmpfs deeper(sandbox + "/ephemeral/outer/inner", "");
  const Tmpfs elsewhere("/run/other/sandbox/ephemeral/mine", "");
  const Daemon daemon;
  const std::size_t before = daemon.dump().snapshot.volumes.size();
  CHECK(find(daemon.dump().snapshot, "mine") == nullptr);
  CHECK(find(daemon.dump().snapshot, "inner") == nullptr);
  {
    const Tmpfs endless(sandbox + "/ephemeral/endless", "size=0,nr_inodes=0");
    const wire::Snapshot snapshot = daemon.dump().snapshot;
    CHECK(snapshot.volumes.size() == before + 1);
    REQUIRE(find(snapshot, "endless") != nullptr);
    CHECK(find(snapshot, "endless")->limit_bytes == 0);
    CHECK(find(snapshot, "endless")->inodes == 0);
  }
  CHECK(daemon.dump().snapshot.volumes.size() == before);
}
