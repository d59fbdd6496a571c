#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

/// Whether this very process has a descriptor on a memfd: that would keep a dead VM's RAM.
bool holds_memory_file() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error).string().find("memfd:ch_ram") != std::string::npos)
      return true;
  }
  return false;
}

}  // namespace

TEST_CASE("guest RAM is counted once, and each process's own memory as /proc has it") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  Actor virtiofsd = Actor::virtiofsd(id);
  const auto file = qemu.tell("memory 32");
  virtiofsd.tell("share " + std::to_string(qemu.pid()) + " " + std::to_string(file));
  qemu.tell("anonymous 8");
  virtiofsd.tell("anonymous 3");

  const SandboxMemory memory = account.of(id).memory;
  CHECK(memory.guest_ram_bytes == file_bytes(qemu.pid(), file));
  CHECK(memory.guest_ram_bytes == 32 * mebibyte);
  CHECK(memory.vmm_bytes == status_bytes(qemu.pid(), "RssAnon"));
  CHECK(memory.vmm_bytes > 8 * mebibyte);
  CHECK(memory.virtiofsd_bytes == status_bytes(virtiofsd.pid(), "RssAnon"));
  CHECK(memory.virtiofsd_bytes > 3 * mebibyte);
  CHECK(memory.page_tables_bytes == status_bytes(qemu.pid(), "VmPTE") + status_bytes(virtiofsd.pid(), "VmPTE"));
  CHECK(memory.vmm_mapped_bytes == status_bytes(qemu.pid(), "VmSize"));
  // What the sum of both RSS would have had twice.
  CHECK(status_bytes(qemu.pid(), "RssShmem") >= 32 * mebibyte);
  CHECK(status_bytes(virtiofsd.pid(), "RssShmem") >= 32 * mebibyte);
  CHECK_FALSE(holds_memory_file());
}

TEST_CASE("guest RAM is found behind any descriptor, and a table that is nearly empty is read whole") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const auto last = std::min<rlim_t>(limit.rlim_max, 1'048'576) - 1;
  const auto file = qemu.tell("memory 8");
  qemu.tell("move " + std::to_string(file) + " 4000");
  CHECK(account.of(id).memory.guest_ram_bytes == 8 * mebibyte);
  qemu.tell("move 4000 " + std::to_string(last));
  CHECK(account.of(id).memory.guest_ram_bytes == 8 * mebibyte);
  CHECK_FALSE(account.truncated());
}

TEST_CASE("guest RAM in a file of a disk counts while it is in memory") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  qemu.tell("disk 8");
  CHECK(account.of(id).memory.guest_ram_bytes == 8 * mebibyte);
}

TEST_CASE("guest RAM in a file of a container's overlayfs is counted once, whoever maps it", "[guest]") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  Actor virtiofsd = Actor::virtiofsd(id);
  const auto file = qemu.tell("overlay 8 1");
  virtiofsd.tell("share " + std::to_string(qemu.pid()) + " " + std::to_string(file));
  const SandboxMemory memory = account.of(id).memory;
  CHECK(memory.guest_ram_bytes == 8 * mebibyte);
  CHECK(memory.vmm_bytes == status_bytes(qemu.pid(), "RssAnon"));
  CHECK(memory.virtiofsd_bytes == status_bytes(virtiofsd.pid(), "RssAnon"));
}

TEST_CASE("guest RAM in a file of an overlayfs on a disk counts while it is in memory") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  qemu.tell("overlay 8");
  CHECK(account.of(id).memory.guest_ram_bytes == 8 * mebibyte);
}

TEST_CASE("the RAM of a confidential guest is what is there of its guest_memfd", "[.kvm]") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  qemu.tell("guest_memfd 8");
  CHECK(account.of(id).memory.guest_ram_bytes == 8 * mebibyte);
}

TEST_CASE("memory of many CPUs' making is exact") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  for (int round = 0; round < 20; ++round) {
    qemu.tell("anonymous 1");
    qemu.tell("churn 5");
    const auto before = status_bytes(qemu.pid(), "RssAnon");
    const auto ours = account.of(id).memory.vmm_bytes;
    CHECK(ours == before);
  }
}

TEST_CASE("memory of the dead is gone") {
  const ContainerId id = fresh_id();
  Account account;
  Actor virtiofsd = Actor::virtiofsd(id);
  {
    Actor qemu = Actor::qemu(id);
    qemu.tell("memory 8");
    CHECK(account.of(id).memory.guest_ram_bytes == 8 * mebibyte);
  }
  const SandboxMemory memory = account.of(id).memory;
  CHECK(memory.guest_ram_bytes == 0);
  CHECK(memory.vmm_bytes == 0);
  CHECK(memory.virtiofsd_bytes > 0);
}
