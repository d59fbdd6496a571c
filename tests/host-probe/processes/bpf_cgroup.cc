// Makes cgroups, so it runs in guests (in_guest.sh): with cgroup v1 and with v2.
#include <csignal>
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

/// A VMM whose file has another name than usual, in a cgroup, its shim dead.
class Orphan {
 public:
  Orphan(const ContainerId& id, const std::string& cgroup) : cgroup_(cgroup) {
    Actor shim = Actor::shim(id);
    const std::string program = copy_actor(shim, "kata-hypervisor");
    pid_ = static_cast<pid_t>(shim.tell("launch 0 " + program + " -name sandbox-" + id.hex()));
    while (comm() != "kata-hypervisor") std::this_thread::sleep_for(std::chrono::milliseconds(1));
    cgroup_.add(pid_);
  }
  ~Orphan() {
    kill(pid_, SIGKILL);
    while (fs::exists("/proc/" + std::to_string(pid_))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Orphan(const Orphan&) = delete;
  Orphan& operator=(const Orphan&) = delete;

  pid_t pid() const { return pid_; }

 private:
  std::string comm() const {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(pid_) + "/comm"), name);
    return name;
  }

  MemoryCgroup cgroup_;
  pid_t pid_ = -1;
};

}  // namespace

TEST_CASE("a VMM of any name whose shim has died is known by its cgroup", "[.guest]") {
  const ContainerId id = fresh_id();
  const auto [before, after] =
      GENERATE(std::pair("cri-containerd-", ".scope"), std::pair("", ""), std::pair("kata_", ""),
               std::pair("kubepods-besteffort-pod1.slice:cri-containerd:", ""));
  INFO(before << "<id>" << after);
  const Orphan vmm(id, before + id.hex() + after);
  Account account;
  const SandboxProcesses values = account.of(id);
  CHECK(values.has_vmm());
  CHECK(values.memory.vmm_bytes == status_bytes(vmm.pid(), "RssAnon"));
  CHECK(account.vmm(id) == static_cast<std::uint32_t>(vmm.pid()));
}

TEST_CASE("a VMM of any name whose shim has died is not known by its command line alone", "[.guest]") {
  const ContainerId id = fresh_id();
  const std::string cgroup = GENERATE(std::string("stranger"), "cri-containerd-" + fresh_id().hex() + ".scope");
  INFO(cgroup);
  const Orphan stranger(id, cgroup);
  Account account;
  CHECK_FALSE(account.of(id).has_vmm());
  CHECK_FALSE(account.vmm(id));
}

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
