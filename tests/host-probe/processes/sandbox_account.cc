#include <unistd.h>

#include <catch2/catch.hpp>

#include "host-probe/processes/sandbox_account.h"
#include "tests/support/containers.h"

using katameter::host::add_roles;
using katameter::host::ProcessCpu;
using katameter::host::ProcessKind;
using katameter::host::ProcessTotals;
using katameter::host::Role;
using katameter::host::RoleCpu;
using katameter::host::SandboxAccount;
using katameter::host::SandboxId;
using katameter::host::testing::id_of;

namespace {

std::map<Role, RoleCpu> cpu_by_role(const ProcessTotals& totals) {
  std::map<Role, RoleCpu> sums;
  totals.add_to(sums);
  return sums;
}

const auto page = static_cast<std::uint64_t>(getpagesize());
constexpr process_key vmm_key{.start_boottime_ns = 10, .tgid = 1, .reserved = 0};
constexpr process_key virtiofsd_key{.start_boottime_ns = 20, .tgid = 2, .reserved = 0};

}  // namespace

TEST_CASE("a VMM's CPU is what its vCPUs used and the rest") {
  ProcessTotals vmm(ProcessKind::vmm);
  vmm.update({.cpu_ns = 100, .vcpu_ns = 70, .vcpu_delay_ns = 5, .other_delay_ns = 2, .has_vcpus = true});
  const auto sums = cpu_by_role(vmm);
  CHECK(sums.at(Role::vcpu).cpu_ns == 70);
  CHECK(sums.at(Role::vcpu).run_delay_ns == 5);
  CHECK(sums.at(Role::vmm).cpu_ns == 30);
  CHECK(sums.at(Role::vmm).run_delay_ns == 2);
  CHECK(sums.count(Role::virtiofsd) == 0);
}

TEST_CASE("a VMM without named threads has no vCPU role") {
  ProcessTotals vmm(ProcessKind::vmm);
  vmm.update({.cpu_ns = 100});
  CHECK(cpu_by_role(vmm).count(Role::vcpu) == 0);
  CHECK(cpu_by_role(vmm).at(Role::vmm).cpu_ns == 100);
}

TEST_CASE("all of virtiofsd is one role, whatever its threads are called") {
  ProcessTotals virtiofsd(ProcessKind::virtiofsd);
  virtiofsd.update({.cpu_ns = 9, .vcpu_ns = 4, .vcpu_delay_ns = 1, .other_delay_ns = 2, .has_vcpus = true});
  CHECK(cpu_by_role(virtiofsd).size() == 1);
  CHECK(cpu_by_role(virtiofsd).at(Role::virtiofsd).cpu_ns == 9);
  CHECK(cpu_by_role(virtiofsd).at(Role::virtiofsd).run_delay_ns == 3);
}

TEST_CASE("a dying vCPU thread is never taken for other work, and nothing falls") {
  ProcessTotals vmm(ProcessKind::vmm);
  vmm.update({.cpu_ns = 1000, .vcpu_ns = 900, .vcpu_delay_ns = 50, .has_vcpus = true});
  // Gone from the list, not freed yet: the process's sum has it, no thread has.
  vmm.update({.cpu_ns = 1010, .vcpu_ns = 0, .vcpu_delay_ns = 0, .has_vcpus = true, .split_valid = false});
  CHECK(cpu_by_role(vmm).at(Role::vcpu).cpu_ns == 900);
  CHECK(cpu_by_role(vmm).at(Role::vcpu).run_delay_ns == 50);
  CHECK(cpu_by_role(vmm).at(Role::vmm).cpu_ns == 100);
  // Freed: the components sum to the total again.
  vmm.update({.cpu_ns = 1010, .vcpu_ns = 905, .vcpu_delay_ns = 52, .has_vcpus = true});
  CHECK(cpu_by_role(vmm).at(Role::vcpu).cpu_ns == 905);
  CHECK(cpu_by_role(vmm).at(Role::vmm).cpu_ns == 105);
}

TEST_CASE("a vCPU thread that ran on after it was summed up does not make the rest negative") {
  ProcessTotals vmm(ProcessKind::vmm);
  vmm.update({.cpu_ns = 100, .vcpu_ns = 101, .has_vcpus = true});
  CHECK(cpu_by_role(vmm).at(Role::vmm).cpu_ns == 0);
}

TEST_CASE("sums are made role by role") {
  std::map<Role, RoleCpu> sums{{Role::vmm, {1, 2}}};
  add_roles(sums, {{Role::vmm, {10, 20}}, {Role::vcpu, {5, 6}}});
  CHECK(sums.at(Role::vmm).cpu_ns == 11);
  CHECK(sums.at(Role::vmm).run_delay_ns == 22);
  CHECK(sums.at(Role::vcpu).cpu_ns == 5);
}

TEST_CASE("guest RAM that two processes have is counted once, and anew at each pass") {
  process_reading vmm{};
  vmm.mm = 0x1000;
  vmm.anonymous_pages = 3;
  vmm.page_table_bytes = 8192;
  vmm.files = 3;
  vmm.file[0] = {.inode = 0xa, .blocks = 2048, .pages = 0};
  vmm.file[1] = {.inode = 0xa, .blocks = 2048, .pages = 0};  // a second descriptor
  vmm.file[2] = {.inode = 0xb, .blocks = 8, .pages = 0};
  process_reading virtiofsd{};
  virtiofsd.mm = 0x2000;
  virtiofsd.anonymous_pages = 1;
  virtiofsd.page_table_bytes = 4096;
  virtiofsd.files = 1;
  virtiofsd.file[0] = {.inode = 0xa, .blocks = 2048, .pages = 0};

  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  account.follow(virtiofsd_key, ProcessKind::virtiofsd);
  for (int pass = 0; pass < 2; ++pass) {
    account.begin_pass();
    account.read(vmm_key, vmm);
    account.read(virtiofsd_key, virtiofsd);
    const auto memory = account.values().memory;
    CHECK(memory.guest_ram_bytes == 2048 * 512 + 8 * 512);
    CHECK(memory.vmm_bytes == 3 * page);
    CHECK(memory.virtiofsd_bytes == page);
    CHECK(memory.page_tables_bytes == 12288);
  }
}

TEST_CASE("guest RAM of a disk or of a confidential guest counts by its pages in memory") {
  process_reading vmm{};
  vmm.mm = 0x1000;
  vmm.files = 2;
  vmm.file[0] = {.inode = 0xa, .blocks = 0, .pages = 7};
  vmm.file[1] = {.inode = 0xb, .blocks = 8, .pages = 0};
  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  account.begin_pass();
  account.read(vmm_key, vmm);
  CHECK(account.values().memory.guest_ram_bytes == 7 * page + 8 * 512);
}

TEST_CASE("what the kernel charges a sandbox is the sum over its own cgroups, if all of its processes are in them") {
  const std::string id = id_of('a').hex();
  process_reading vmm{};
  vmm.mm = 0x1000;
  vmm.memory_cgroup = 1;
  vmm.memory_cgroup_pages = 100;
  process_reading virtiofsd{};
  virtiofsd.mm = 0x2000;
  virtiofsd.memory_cgroup = 2;
  virtiofsd.memory_cgroup_pages = 10;
  const auto call = [](process_reading& reading, const std::string& name) {
    name.copy(reading.memory_cgroup_name, CGROUP_NAME_BYTES - 1);
  };
  call(vmm, "kubepods-besteffort-podx.slice:cri-containerd:" + id);
  call(virtiofsd, id);
  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  account.follow(virtiofsd_key, ProcessKind::virtiofsd);
  const auto charged = [&] {
    account.begin_pass();
    account.read(vmm_key, vmm);
    account.read(virtiofsd_key, virtiofsd);
    return account.values().memory.cgroup_bytes;
  };
  CHECK(charged() == 110 * page);
  CHECK(charged() == 110 * page);
  virtiofsd.memory_cgroup = 1;
  CHECK(charged() == 100 * page);
  // containerd.service's has more in it than this sandbox.
  virtiofsd.memory_cgroup = 3;
  std::fill(std::begin(virtiofsd.memory_cgroup_name), std::end(virtiofsd.memory_cgroup_name), '\0');
  call(virtiofsd, "containerd.service");
  CHECK_FALSE(charged());
}

TEST_CASE("a short id is a sandbox's in a cgroup's name only where the name ends with it") {
  SandboxAccount account(*SandboxId::from_text("cri"));
  account.follow(vmm_key, ProcessKind::vmm);
  const auto charged = [&](const std::string& name) {
    process_reading vmm{};
    vmm.mm = 0x1000;
    vmm.memory_cgroup = 1;
    vmm.memory_cgroup_pages = 100;
    name.copy(vmm.memory_cgroup_name, CGROUP_NAME_BYTES - 1);
    account.begin_pass();
    account.read(vmm_key, vmm);
    return account.values().memory.cgroup_bytes.has_value();
  };
  CHECK(charged("cri"));
  CHECK(charged("system.slice:containerd:cri"));
  CHECK(charged("kata-cri.scope"));
  CHECK_FALSE(charged("cri-containerd.service"));
  CHECK_FALSE(charged("microcri"));
}

TEST_CASE("the account of a VM goes on as its sandbox's, once it is known whose it is") {
  constexpr process_key ended_key{.start_boottime_ns = 30, .tgid = 3, .reserved = 0};
  process_reading reading{};
  reading.mm = 0x1000;
  reading.cpu_ns = 500;
  reading.anonymous_pages = 2;
  SandboxAccount vm(*SandboxId::from_text("6f4e2ad5-9bb0-4b11-8ae2-3c5ef2b4c2a1"));
  SandboxAccount sandbox(id_of('a'));
  for (SandboxAccount* account : {&vm, &sandbox}) account->begin_pass();
  vm.follow(vmm_key, ProcessKind::vmm);
  vm.read(vmm_key, reading);
  vm.follow(ended_key, ProcessKind::vmm);
  process_record record{};
  record.ended = 1;
  record.final_cpu_ns = 70;
  CHECK_FALSE(vm.ended(ended_key, record));
  CHECK(vm.ended(ended_key, record));
  sandbox.follow(virtiofsd_key, ProcessKind::virtiofsd);
  sandbox.read(virtiofsd_key, reading);

  sandbox.take_over(std::move(vm));
  CHECK(sandbox.lives());
  CHECK(sandbox.values().cpu.at(Role::vmm).cpu_ns == 570);
  CHECK(sandbox.values().cpu.at(Role::virtiofsd).cpu_ns == 500);
  sandbox.begin_pass();
  sandbox.read(vmm_key, reading);
  CHECK(sandbox.values().memory.vmm_bytes == 2 * page);
}

TEST_CASE("a vforked child does not double its parent's memory, a zombie has none") {
  process_reading reading{};
  reading.mm = 0x1000;
  reading.anonymous_pages = 3;
  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  account.follow(virtiofsd_key, ProcessKind::vmm);
  account.begin_pass();
  account.read(vmm_key, reading);
  account.read(virtiofsd_key, reading);
  CHECK(account.values().memory.vmm_bytes == 3 * page);
  reading.mm = 0;
  account.begin_pass();
  account.read(vmm_key, reading);
  CHECK(account.values().memory.vmm_bytes == 0);
}

TEST_CASE("what a process used stays when it is gone, with what its late threads add") {
  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  process_reading reading{};
  reading.cpu_ns = 100;
  reading.vcpu_ns = 60;
  reading.vcpu_threads = 1;
  account.begin_pass();
  account.read(vmm_key, reading);

  process_record record{};
  record.ended = 1;
  record.final_cpu_ns = 150;
  record.classified_exits = 1;
  record.exit_vcpu_ns = 75;
  CHECK_FALSE(account.ended(vmm_key, record));
  CHECK(account.values().cpu.at(Role::vcpu).cpu_ns == 75);
  CHECK(account.values().cpu.at(Role::vmm).cpu_ns == 40);  // not valid: as it was
  record.dead_vcpu_ns = 80;
  record.classified_frees = 1;
  CHECK(account.ended(vmm_key, record));
  CHECK(account.empty());
  CHECK(account.values().cpu.at(Role::vcpu).cpu_ns == 80);
  CHECK(account.values().cpu.at(Role::vmm).cpu_ns == 70);
}

TEST_CASE("a pid that is used again is another process") {
  SandboxAccount account(id_of('a'));
  process_key again = vmm_key;
  again.start_boottime_ns = 11;
  account.follow(vmm_key, ProcessKind::virtiofsd);
  account.follow(again, ProcessKind::virtiofsd);
  process_reading reading{};
  reading.cpu_ns = 100;
  account.begin_pass();
  account.read(vmm_key, reading);
  CHECK_FALSE(account.ended(vmm_key, {}));
  CHECK(account.ended(vmm_key, {}));
  reading.cpu_ns = 1;
  account.read(again, reading);
  CHECK(account.values().cpu.at(Role::virtiofsd).cpu_ns == 101);
}

TEST_CASE("a process whose end was not noticed leaves what it had when it began to exit") {
  using namespace std::chrono_literals;
  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  process_record record{};
  record.exit_cpu_ns = 100;
  record.exit_vcpu_ns = 60;
  record.classified_exits = 1;
  const SandboxAccount::Clock::time_point now{};
  CHECK_FALSE(account.gone(vmm_key, record, now));
  CHECK(account.values().cpu.at(Role::vcpu).cpu_ns == 60);
  CHECK_FALSE(account.gone(vmm_key, record, now + 999ms));
  CHECK(account.gone(vmm_key, record, now + 1s));
  CHECK(account.empty());
  CHECK(account.values().cpu.at(Role::vmm).cpu_ns == 40);
}

TEST_CASE("a reading that may have counted a thread twice is not believed") {
  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  process_reading reading{};
  reading.cpu_ns = 100;
  reading.mm = 0x1000;
  account.read(vmm_key, reading);
  reading.cpu_ns = 190;
  reading.anonymous_pages = 2;
  reading.flags = READING_TORN;
  account.begin_pass();
  account.read(vmm_key, reading);
  CHECK(account.values().cpu.at(Role::vmm).cpu_ns == 100);
  CHECK(account.values().memory.vmm_bytes == 2 * page);
}

TEST_CASE("vCPU threads on their way out are counted once") {
  SandboxAccount account(id_of('a'));
  account.follow(vmm_key, ProcessKind::vmm);
  const auto vcpu = [&] { return account.values().cpu.at(Role::vcpu).cpu_ns; };
  const auto vmm = [&] { return account.values().cpu.at(Role::vmm).cpu_ns; };
  process_reading reading{};
  reading.threads = 3;
  reading.cpu_ns = 100;
  reading.vcpu_ns = 80;  // 50 and 30
  reading.vcpu_threads = 2;
  account.read(vmm_key, reading);

  // The second began to exit and is still in the list: nothing of what is known at its exit may be added.
  reading.exiting_classified_threads = 1;
  reading.classified_exits = reading.record.classified_exits = 1;
  reading.record.exit_vcpu_ns = 30;
  account.read(vmm_key, reading);
  CHECK(vcpu() == 80);
  CHECK(vmm() == 20);
  // Out of the list, not freed, perhaps never.
  reading.exiting_classified_threads = 0;
  reading.vcpu_threads = 1;
  reading.vcpu_ns = 50;
  reading.cpu_ns = 102;
  account.read(vmm_key, reading);
  CHECK(vcpu() == 80);
  CHECK(vmm() == 22);
  // It begins to exit while the threads are looked at.
  reading.classified_exits = 2;
  reading.vcpu_threads = 0;
  reading.vcpu_ns = 0;
  reading.cpu_ns = 110;
  account.read(vmm_key, reading);
  CHECK(vcpu() == 80);
  CHECK(vmm() == 22);
}
