#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

/// Outlives its parent, not the test.
struct Daemon {
  pid_t pid = 0;
  Daemon() = default;
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() {
    if (pid > 0) kill(pid, SIGKILL);
  }
};

/// Processes of no sandbox, each with a child.
void run_strangers(int count) {
  for (int i = 0; i < count; ++i) {
    const pid_t stranger = fork();
    if (stranger == 0) {
      const pid_t child = fork();
      if (child == 0) _exit(0);
      waitpid(child, nullptr, 0);
      _exit(0);
    }
    waitpid(stranger, nullptr, 0);
  }
}

}  // namespace

TEST_CASE("what ran before us is found, with what it had used") {
  const ContainerId id = fresh_id();
  Actor qemu = Actor::qemu(id);
  Actor virtiofsd = Actor::virtiofsd(id);
  qemu.tell("thread CPU_0/KVM");
  qemu.tell("burn CPU_0/KVM 20");
  qemu.tell("churn 50");
  Account account;
  const auto before = process_cpu_ns(qemu.pid());
  const auto values = account.of(id);
  const auto after = process_cpu_ns(qemu.pid());
  REQUIRE(values.cpu.size() == 3);
  const auto ours = values.cpu.at(Role::vcpu).cpu_ns + values.cpu.at(Role::vmm).cpu_ns;
  CHECK(before <= ours);
  CHECK(ours <= after);
  CHECK(values.memory.virtiofsd_bytes == status_bytes(virtiofsd.pid(), "RssAnon"));
}

TEST_CASE("virtiofsd's worker, a fork that never execs, belongs to its sandbox") {
  const ContainerId id = fresh_id();
  Account account;
  Actor virtiofsd = Actor::virtiofsd(id);
  const auto worker = static_cast<pid_t>(virtiofsd.tell("fork 40"));
  while (process_cpu_ns(worker) < 40'000'000) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  wait_asleep(worker);
  wait_asleep(virtiofsd.pid());

  const auto both = process_cpu_ns(virtiofsd.pid()) + process_cpu_ns(worker);
  const SandboxProcesses values = account.of(id);
  CHECK(values.cpu.at(Role::virtiofsd).cpu_ns == both);
  CHECK(values.memory.virtiofsd_bytes == status_bytes(virtiofsd.pid(), "RssAnon") + status_bytes(worker, "RssAnon"));

  virtiofsd.tell("kill " + std::to_string(worker));
  const auto later = account.wait_for(id, [&](const auto& now) { return total_ns(now) >= both; });
  CHECK(total_ns(later) + account.tolerance_ns() >= both);
}

TEST_CASE("what comes after an ended process, in its place in the kernel's memory, is not taken for it") {
  const ContainerId id = fresh_id();
  Account account;
  std::uint64_t used = 0;
  for (int life = 0; life < 20; ++life) {
    Actor virtiofsd = Actor::virtiofsd(id);
    used += cpu_ns(virtiofsd.end());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    run_strangers(20);
  }
  const auto values = account.wait_for(id, [&](const auto& now) { return total_ns(now) >= used; });
  CHECK(total_ns(values) + account.tolerance_ns() >= used);
  CHECK(total_ns(values) <= used + used / 50);
}

TEST_CASE("a VMM that forks and leaves is followed") {
  const ContainerId id = fresh_id();
  Account account;
  Daemon daemon;
  std::uint64_t used = 0;
  {
    Actor qemu = Actor::qemu(id);
    daemon.pid = static_cast<pid_t>(qemu.tell("daemon 30"));
    used = cpu_ns(qemu.end());
  }
  while (process_cpu_ns(daemon.pid) < 30'000'000) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  wait_asleep(daemon.pid);
  used += process_cpu_ns(daemon.pid);
  const auto values = account.wait_for(id, [&](const auto& now) { return total_ns(now) >= used; });
  CHECK(total_ns(values) + account.tolerance_ns() >= used);
  CHECK(total_ns(values) <= used + slack_ns);
  CHECK(values.memory.vmm_bytes == status_bytes(daemon.pid, "RssAnon"));
}

TEST_CASE("the process id of a sandbox's VMM is known at once, and not after its end") {
  const ContainerId id = fresh_id();
  const ContainerId late_id = fresh_id();
  Actor before = Actor::qemu(late_id);
  Account account;
  account.collect();
  CHECK(account.vmm(late_id) == static_cast<std::uint32_t>(before.pid()));
  const Actor virtiofsd = Actor::virtiofsd(id);
  Actor vmm = Actor::qemu(id);
  account.turn();
  CHECK(account.vmm(id) == static_cast<std::uint32_t>(vmm.pid()));
  CHECK_FALSE(account.vmm(fresh_id()));
  vmm.end();
  CHECK_FALSE(account.vmm(id));
}

TEST_CASE("cloud-hypervisor is found under a longer name") {
  const ContainerId id = fresh_id();
  Account account;
  Actor vmm("cloud-hypervisor-upcall", {"--api-socket", "/run/vc/vm/" + id.hex() + "/clh-api.sock"});
  vmm.tell("thread vcpu0");
  vmm.tell("burn vcpu0 10");
  CHECK(account.of(id).cpu.at(Role::vcpu).cpu_ns >= 10'000'000);
}

TEST_CASE("machines that are no sandboxes are not followed") {
  Account account;
  const auto before = account.collect().size();
  Actor other("qemu-system-x86_64", {"-name", "guest=web"});
  Actor namesake("virtiofsd", {"--shared-dir=/srv"});
  CHECK(account.collect().size() == before);
  const Account late;
  CHECK(account.collect().size() == before);
}

TEST_CASE("two sandboxes are two accounts") {
  const ContainerId one = fresh_id();
  const ContainerId two = fresh_id();
  Account account;
  Actor first = Actor::qemu(one);
  Actor second = Actor::qemu(two);
  first.tell("burn main 30");
  wait_asleep(first.pid());
  wait_asleep(second.pid());
  const auto values = account.collect();
  CHECK(total_ns(values.at(one)) == process_cpu_ns(first.pid()));
  CHECK(total_ns(values.at(two)) == process_cpu_ns(second.pid()));
}

TEST_CASE("a sandbox stays until it is forgotten, and does not come back with its last process") {
  const ContainerId id = fresh_id();
  Account account;
  {
    const Actor qemu = Actor::qemu(id);
    CHECK(account.collect().count(id) == 1);
  }
  for (int i = 0; i < 20; ++i) {
    CHECK(account.collect().count(id) == 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  account.forget(id);
  REQUIRE(account.until_gone(id) > 0);
  CHECK(account.collect().count(id) == 0);

  const ContainerId early = fresh_id();
  {
    const Actor qemu = Actor::qemu(early);
    CHECK(account.collect().count(early) == 1);
    account.forget(early);
    CHECK(account.collect().count(early) == 1);  // it still runs
  }
  REQUIRE(account.until_gone(early) > 0);
  for (int i = 0; i < 20; ++i) {
    CHECK(account.collect().count(early) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST_CASE("what a sandbox's processes used to their end is known, whether a pass came before it was forgotten or not") {
  const bool passed = GENERATE(true, false);
  const ContainerId id = fresh_id();
  Account account;
  std::uint64_t used = 0;
  {
    Actor qemu = Actor::qemu(id);
    if (passed) account.collect();
    qemu.tell("burn main 20");
    used = cpu_ns(qemu.end());
  }
  account.forget(id);
  CHECK(account.has_last_values(id));
  CHECK(account.until_gone(id) + account.tolerance_ns() + slack_ns >= used);
  CHECK_FALSE(account.has_last_values(id));
  const ContainerId never_there = fresh_id();
  account.forget(never_there);
  CHECK_FALSE(account.has_last_values(never_there));
}

TEST_CASE("with no room left the rest is followed and nothing breaks") {
  Account account(4);
  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<ContainerId> ids;
  for (int i = 0; i < 8; ++i) {
    ids.push_back(fresh_id());
    actors.push_back(std::make_unique<Actor>("qemu-system-x86_64",
                                             std::vector<std::string>{"-name", "sandbox-" + ids.back().hex()}));
  }
  const auto values = account.collect();
  std::size_t followed = 0;
  for (const ContainerId& id : ids) followed += values.count(id);
  CHECK(followed <= 4);
  actors.clear();
  // The ended ones make room, some time after their end.
  bool followed_again = false;
  for (int i = 0; i < 200 && !followed_again; ++i) {
    account.collect();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const ContainerId next = fresh_id();
    const Actor qemu = Actor::qemu(next);
    followed_again = account.collect().count(next) == 1;
  }
  CHECK(followed_again);
}

TEST_CASE("with nobody asking, the ended do not fill up the map") {
  Account account(64);
  const ContainerId id = fresh_id();
  std::uint64_t used = 0;
  for (int i = 0; i < 100; ++i) {
    Actor virtiofsd = Actor::virtiofsd(id);
    used += cpu_ns(virtiofsd.end());
    account.turn();
  }
  const auto values = account.wait_for(id, [&](const auto& now) { return total_ns(now) >= used; });
  CHECK(total_ns(values) + account.tolerance_ns() >= used);
  CHECK(total_ns(values) <= used + used / 50);
}

TEST_CASE("a storm of forks below one process leaves room for others") {
  Account account(1024);
  Actor stormy = Actor::qemu(fresh_id());
  account.turn();
  stormy.tell("storm 3000");  // nothing reads the map meanwhile
  const ContainerId next = fresh_id();
  const Actor started_after = Actor::qemu(next);
  account.turn();
  CHECK(account.collect().count(next) == 1);
  // Once its ended children are out of the map it has room for new ones.
  const auto child = static_cast<pid_t>(stormy.tell("fork 0"));
  account.collect();
  CHECK(account.listed(child));
}

TEST_CASE("a VMM that found no room is found once there is") {
  Account account(4);
  std::vector<std::unique_ptr<Actor>> actors;
  for (int i = 0; i < 4; ++i) {
    const std::vector<std::string> arguments{"-name", "sandbox-" + fresh_id().hex()};
    actors.push_back(std::make_unique<Actor>("qemu-system-x86_64", arguments));
  }
  const ContainerId late = fresh_id();
  const Actor lost = Actor::qemu(late);
  CHECK(account.collect().count(late) == 0);
  actors.clear();
  account.wait_for(late, [](const auto& now) { return !now.cpu.empty(); });
  CHECK(account.collect().count(late) == 1);
}

TEST_CASE("a sandbox that comes back while its VMM runs has its values again") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  qemu.tell("burn main 20");
  const auto before = total_ns(account.of(id));
  account.forget(id);
  account.collect();
  account.follow(id);
  CHECK(total_ns(account.of(id)) >= before);
}

TEST_CASE("OpenVMM's vCPUs are recognised by their names") {
  const ContainerId id = fresh_id();
  Account account;
  Actor vmm("openvmm", {"--ttrpc", "/run/kata/" + id.hex() + "/openvmm.sock"});
  vmm.tell("thread vp-0");
  vmm.tell("burn vp-0 10");
  CHECK(account.of(id).cpu.at(Role::vcpu).cpu_ns >= 10'000'000);
}
