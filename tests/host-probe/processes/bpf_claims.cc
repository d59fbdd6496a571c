// Whose a process is: anybody can write a command line.
#include <csignal>

#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

constexpr std::uint64_t burnt_ns = 300'000'000;  // by each stranger

/// A VMM as a shim starts it: its child. Ends with the shim.
pid_t start_vmm(Actor& shim, const ContainerId& id) {
  const std::string program = copy_actor(shim, "qemu-system-x86_64");
  return static_cast<pid_t>(shim.tell("spawn 0 " + program + " -name sandbox-" + id.hex()));
}

void work(Actor& stranger) {
  stranger.tell("burn main 300");
  stranger.tell("memory 16");
  stranger.tell("anonymous 8");
}

void check_untouched(const SandboxProcesses& values, pid_t vmm) {
  CHECK(values.cpu.at(Role::vmm).cpu_ns <= process_cpu_ns(vmm));
  CHECK(values.memory.guest_ram_bytes == 0);
  CHECK(values.memory.vmm_bytes == status_bytes(vmm, "RssAnon"));
}

}  // namespace

TEST_CASE("a process that calls itself another pod's VMM changes nothing for it") {
  const ContainerId id = fresh_id();
  Account account;
  Actor shim = Actor::shim(id);
  const pid_t vmm = start_vmm(shim, id);
  CHECK(account.wait_for(id, [](const auto& now) { return now.cpu.contains(Role::vmm); }).cpu.contains(Role::vmm));
  Actor stranger = Actor::qemu(id);
  work(stranger);
  check_untouched(account.of(id), vmm);
  CHECK(account.vmm(id) == static_cast<std::uint32_t>(vmm));

  // To one that finds them all running the same.
  Account late;
  check_untouched(late.of(id), vmm);
  CHECK(late.vmm(id) == static_cast<std::uint32_t>(vmm));
}

TEST_CASE("what a stranger had before the pod's VMM was there is taken back") {
  const ContainerId id = fresh_id();
  Account account;
  Actor stranger = Actor::qemu(id);
  work(stranger);
  CHECK(account.of(id).cpu.at(Role::vmm).cpu_ns >= burnt_ns);
  Actor shim = Actor::shim(id);
  const pid_t vmm = start_vmm(shim, id);
  const auto values = account.wait_for(id, [](const auto& now) { return now.memory.guest_ram_bytes == 0; });
  check_untouched(values, vmm);
}

TEST_CASE("a VMM stays its sandbox's when its shim has died") {
  const ContainerId id = fresh_id();
  Account account;
  auto shim = std::unique_ptr<Actor>(new Actor(Actor::shim(id)));
  const std::string program = copy_actor(*shim, "qemu-system-x86_64");
  const auto vmm = static_cast<pid_t>(shim->tell("launch 50 " + program + " -name sandbox-" + id.hex()));
  account.wait_for(id, [](const auto& now) { return now.cpu.contains(Role::vmm); });
  shim.reset();
  Actor stranger = Actor::qemu(id);
  work(stranger);
  check_untouched(account.of(id), vmm);
  CHECK(account.vmm(id) == static_cast<std::uint32_t>(vmm));

  // To one that comes later the two are alike; it believes both rather than neither.
  Account late;
  CHECK(late.of(id).cpu.at(Role::vmm).cpu_ns >= burnt_ns);
  kill(vmm, SIGKILL);
}

TEST_CASE("a shim that is not root's is nobody's shim") {
  const ContainerId id = fresh_id();
  Account account;
  Actor shim = Actor::shim(id);
  const pid_t vmm = start_vmm(shim, id);
  CHECK(account.wait_for(id, [](const auto& now) { return now.cpu.contains(Role::vmm); }).cpu.contains(Role::shim));
  Actor user = Actor::shim(id, "containerd-shim-kata-v2", 12345);
  user.tell("burn main 300");
  const pid_t stranger = start_vmm(user, id);
  // With what it made, which may be more than what it used itself.
  CHECK(account.of(id).cpu.at(Role::shim).cpu_ns < process_cpu_ns(shim.pid()) + process_cpu_ns(user.pid()));
  CHECK(account.vmm(id) == static_cast<std::uint32_t>(vmm));
  CHECK(stranger > 0);
}
