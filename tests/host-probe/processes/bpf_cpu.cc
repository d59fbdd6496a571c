#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

/// `value` lies between two readings of the kernel's own field.
void check_between(std::uint64_t before, std::uint64_t value, std::uint64_t after) {
  CHECK(before <= value);
  CHECK(value <= after);
}

}  // namespace

TEST_CASE("CPU and run-queue wait by role are the kernel's own, to the nanosecond") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  Actor virtiofsd = Actor::virtiofsd(id);
  qemu.tell("thread CPU_0/TCG");
  qemu.tell("thread CPU_1/TCG");
  qemu.tell("thread IO_mon");
  for (int round = 0; round < 5; ++round) {
    qemu.tell("burn CPU_0/TCG 20");
    qemu.tell("burn CPU_1/TCG 10");
    qemu.tell("burn IO_mon 10");
    qemu.tell("burn main 5");
    virtiofsd.tell("burn main 10");

    const auto qemu_before = process_cpu_ns(qemu.pid());
    const auto virtiofsd_before = process_cpu_ns(virtiofsd.pid());
    const auto vcpu_before = thread_cpu_ns(qemu.pid(), "CPU ");
    const auto vcpu_delay = run_delay_ns(qemu.pid(), "CPU ");
    const auto delay = run_delay_ns(qemu.pid());
    const SandboxProcesses values = account.of(id);
    const RoleCpu vcpu = values.cpu.at(Role::vcpu);
    const RoleCpu vmm = values.cpu.at(Role::vmm);
    check_between(vcpu_before, vcpu.cpu_ns, thread_cpu_ns(qemu.pid(), "CPU "));
    check_between(qemu_before, vcpu.cpu_ns + vmm.cpu_ns, process_cpu_ns(qemu.pid()));
    check_between(virtiofsd_before, values.cpu.at(Role::virtiofsd).cpu_ns, process_cpu_ns(virtiofsd.pid()));
    check_between(vcpu_delay, vcpu.run_delay_ns, run_delay_ns(qemu.pid(), "CPU "));
    check_between(delay, vcpu.run_delay_ns + vmm.run_delay_ns, run_delay_ns(qemu.pid()));
    CHECK(vcpu.cpu_ns >= static_cast<std::uint64_t>(round + 1) * 30'000'000);
  }
}

TEST_CASE("CPU never falls and stays the kernel's own while threads come and go") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  qemu.tell("thread CPU_0/KVM");
  qemu.tell("burn CPU_0/KVM 20");
  qemu.begin("churn 6000");
  std::map<Role, RoleCpu> last;
  int readings = 0;
  int late = 0;
  while (qemu.busy()) {
    const auto before = process_cpu_ns(qemu.pid());
    const SandboxProcesses values = account.of(id);
    const auto after = process_cpu_ns(qemu.pid());
    CHECK(total_ns(values) <= after);
    if (total_ns(values) < before) ++late;
    for (const auto& [role, cpu] : values.cpu) {
      CHECK(cpu.cpu_ns >= last[role].cpu_ns);
      CHECK(cpu.run_delay_ns >= last[role].run_delay_ns);
    }
    last = values.cpu;
    ++readings;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  qemu.finish();
  CHECK(readings >= 20);
  // A thread died in each attempt at the reading: what it lacks comes with the next one.
  CHECK(late * 20 <= readings);
}

TEST_CASE("a dead vCPU thread's CPU stays with the vCPUs") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  qemu.tell("thread CPU_0/KVM");
  qemu.tell("thread CPU_1/KVM");
  qemu.tell("burn CPU_0/KVM 50");
  const auto second = static_cast<std::uint64_t>(qemu.tell("burn CPU_1/KVM 50"));
  const SandboxProcesses before = account.of(id);
  qemu.tell("end CPU_1/KVM");
  // Right after, when no thread has its time any more, as well as later.
  std::map<Role, RoleCpu> last = before.cpu;
  for (int i = 0; i < 50; ++i) {
    const SandboxProcesses now = account.of(id);
    for (const Role role : {Role::vcpu, Role::vmm}) CHECK(now.cpu.at(role).cpu_ns >= last.at(role).cpu_ns);
    CHECK(now.cpu.at(Role::vmm).cpu_ns < before.cpu.at(Role::vmm).cpu_ns + second / 2);
    last = now.cpu;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(last.at(Role::vcpu).cpu_ns >= before.cpu.at(Role::vcpu).cpu_ns);
  CHECK(last.at(Role::vcpu).cpu_ns < before.cpu.at(Role::vcpu).cpu_ns + second / 2);
}

TEST_CASE("a process that began and ended between two collects is counted whole") {
  const ContainerId id = fresh_id();
  Account account;
  CHECK(account.collect().count(id) == 0);
  std::uint64_t used = 0;
  {
    Actor qemu = Actor::qemu(id);
    qemu.tell("thread CPU_0/KVM");
    qemu.tell("burn CPU_0/KVM 30");
    qemu.tell("burn main 5");
    qemu.tell("churn 20");
    used = cpu_ns(qemu.end());
  }
  const auto values = account.wait_for(id, [&](const auto& now) { return total_ns(now) >= used; });
  CHECK(total_ns(values) + account.tolerance_ns() >= used);
  CHECK(total_ns(values) <= used + slack_ns);
  const auto later = account.wait_for(id, [](const auto& now) { return now.cpu.count(Role::vcpu) > 0; });
  CHECK(later.cpu.at(Role::vcpu).cpu_ns + account.tolerance_ns() >= 30'000'000);
  CHECK(later.memory.vmm_bytes == 0);
}

TEST_CASE("the sandbox's sum goes on over the end of its processes") {
  const ContainerId id = fresh_id();
  Account account;
  std::uint64_t used = 0;
  std::uint64_t last = 0;
  for (int life = 0; life < 3; ++life) {
    Actor virtiofsd = Actor::virtiofsd(id);
    virtiofsd.tell("burn main 20");
    used += cpu_ns(virtiofsd.end());
    const auto values = account.wait_for(id, [&](const auto& now) { return total_ns(now) >= used; });
    CHECK(total_ns(values) + account.tolerance_ns() >= used);
    CHECK(total_ns(values) >= last);
    last = total_ns(values);
  }
  CHECK(last <= used + 3 * slack_ns);
  for (int i = 0; i < 3; ++i) CHECK(total_ns(account.of(id)) == last);
}

TEST_CASE("without thread names all of a VMM's CPU is in one role") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu("qemu-system-x86_64", {"-name", "sandbox-" + id.hex()});
  qemu.tell("thread qemu-system-x86");
  qemu.tell("burn qemu-system-x86 20");
  const auto values = account.of(id);
  CHECK(values.cpu.size() == 1);
  CHECK(values.cpu.at(Role::vmm).cpu_ns >= 20'000'000);
}
