// Makes cgroups, so it runs in guests (in_guest.sh): with cgroup v1 and with v2.
#include <fstream>

#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

namespace fs = std::filesystem;

bool unified() {
  return fs::exists("/sys/fs/cgroup/cgroup.controllers");
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  if (!(file << text << std::flush)) FAIL("cannot write " << path);
}

/// A cgroup with the memory controller; goes with its object, whose processes must have ended.
class MemoryCgroup {
 public:
  explicit MemoryCgroup(const std::string& name)
      : path_((unified() ? "/sys/fs/cgroup/" : "/sys/fs/cgroup/memory/") + name) {
    if (unified()) write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
    fs::create_directory(path_);
  }
  ~MemoryCgroup() { rmdir(path_.c_str()); }
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  void add(pid_t pid) const { write(path_ / "cgroup.procs", std::to_string(pid)); }
  std::uint64_t charged() const {
    std::uint64_t bytes = 0;
    std::ifstream(path_ / (unified() ? "memory.current" : "memory.usage_in_bytes")) >> bytes;
    return bytes;
  }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("what the kernel charges the sandbox's cgroups is what memory.current has", "[.guest]") {
  const ContainerId id = fresh_id();
  const MemoryCgroup pod("cri-containerd-" + id.hex() + ".scope");
  const MemoryCgroup overhead(id.hex());
  Account account;
  Actor qemu = Actor::qemu(id);
  Actor virtiofsd = Actor::virtiofsd(id);
  CHECK_FALSE(account.of(id).memory.cgroup_bytes);
  pod.add(qemu.pid());
  CHECK_FALSE(account.of(id).memory.cgroup_bytes);  // the other is not in a cgroup of its own
  overhead.add(virtiofsd.pid());
  qemu.tell("memory 16");
  qemu.tell("anonymous 8");
  virtiofsd.tell("anonymous 4");
  // Charges are made in batches, which each CPU may return at any time: read until nothing came between.
  for (int attempt = 0; attempt < 100; ++attempt) {
    const auto before = pod.charged() + overhead.charged();
    const auto ours = account.of(id).memory.cgroup_bytes;
    if (before != pod.charged() + overhead.charged()) continue;
    REQUIRE(ours);
    CHECK(*ours == before);
    CHECK(before >= std::uint64_t{28} << 20);
    return;
  }
  FAIL("the cgroups' memory never stood still");
}
