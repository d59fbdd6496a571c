#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

/// The kernel's own values of one process, by proc(5).
struct Seen {
  explicit Seen(pid_t pid)
      : minor_faults(stat_field(pid, 10)),
        major_faults(stat_field(pid, 12)),
        guest_ticks(stat_field(pid, 43)),
        read_bytes(io_bytes(pid, "read_bytes")),
        write_bytes(io_bytes(pid, "write_bytes")) {}
  std::uint64_t minor_faults;
  std::uint64_t major_faults;
  std::uint64_t guest_ticks;
  std::uint64_t read_bytes;
  std::uint64_t write_bytes;
};

void check_between(const Seen& before, const RoleUsage& ours, const Seen& after) {
  CHECK(before.minor_faults <= ours.minor_faults);
  CHECK(ours.minor_faults <= after.minor_faults);
  CHECK(before.major_faults <= ours.major_faults);
  CHECK(ours.major_faults <= after.major_faults);
  CHECK(before.read_bytes <= ours.read_bytes);
  CHECK(ours.read_bytes <= after.read_bytes);
  CHECK(before.write_bytes <= ours.write_bytes);
  CHECK(ours.write_bytes <= after.write_bytes);
  CHECK(before.guest_ticks <= ours.guest_ns / 10'000'000);
  CHECK(ours.guest_ns / 10'000'000 <= after.guest_ticks);
}

}  // namespace

TEST_CASE("faults and I/O of each process are the kernel's own, dead threads included") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  Actor virtiofsd = Actor::virtiofsd(id);
  qemu.tell("thread CPU_0/KVM");
  RoleUsage last;
  for (int round = 0; round < 5; ++round) {
    qemu.tell("anonymous 2");
    qemu.tell("storage 1");
    qemu.tell("churn 10");
    virtiofsd.tell("anonymous 1");
    const Seen vmm_before(qemu.pid());
    const Seen virtiofsd_before(virtiofsd.pid());
    const SandboxProcesses values = account.of(id);
    CHECK(values.io);
    check_between(vmm_before, values.usage.at(Role::vmm), Seen(qemu.pid()));
    check_between(virtiofsd_before, values.usage.at(Role::virtiofsd), Seen(virtiofsd.pid()));
    CHECK(values.usage.at(Role::vmm).minor_faults > last.minor_faults);
    CHECK(values.usage.at(Role::vmm).write_bytes >= last.write_bytes + mebibyte);
    CHECK(values.usage.at(Role::vmm).read_bytes >= last.read_bytes + mebibyte);
    last = values.usage.at(Role::vmm);
  }
}

TEST_CASE("what an ended process had of them stays") {
  const ContainerId id = fresh_id();
  Account account;
  rusage used{};
  std::uint64_t written = 0;
  {
    Actor qemu = Actor::qemu(id);
    qemu.tell("anonymous 4");
    qemu.tell("storage 2");
    written = io_bytes(qemu.pid(), "write_bytes");
    used = qemu.end();
  }
  const auto minor = static_cast<std::uint64_t>(used.ru_minflt);
  const auto values = account.wait_for(id, [&](const auto& now) {
    return now.usage.contains(Role::vmm) && now.usage.at(Role::vmm).minor_faults >= minor;
  });
  CHECK(values.usage.at(Role::vmm).write_bytes >= written);
  // To the fault, unless the kernel passed over the program that takes the last values.
  if (account.tolerance_ns() == 0) CHECK(values.usage.at(Role::vmm).minor_faults == minor);
}

TEST_CASE("memory by kind is /proc's, process by process") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  Actor virtiofsd = Actor::virtiofsd(id);
  const auto file = qemu.tell("memory 16");
  virtiofsd.tell("share " + std::to_string(qemu.pid()) + " " + std::to_string(file));
  qemu.tell("anonymous 3");
  const SandboxProcesses values = account.of(id);
  for (const auto& [role, pid] : {std::pair{Role::vmm, qemu.pid()}, std::pair{Role::virtiofsd, virtiofsd.pid()}}) {
    const RoleMemory& memory = values.role_memory.at(role);
    CHECK(memory.anonymous_bytes == status_bytes(pid, "RssAnon"));
    CHECK(memory.file_bytes == status_bytes(pid, "RssFile"));
    CHECK(memory.shared_bytes == status_bytes(pid, "RssShmem"));
    CHECK(memory.shared_bytes >= 15 * mebibyte);
    CHECK(memory.page_tables_bytes == status_bytes(pid, "VmPTE"));
  }
}
