// Needs /dev/vhost-net, so it runs in guests (in_guest.sh): before 6.4 a vhost thread is a process of the kernel's
// own, from then on a thread of the VMM.
#include <fstream>

#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

namespace fs = std::filesystem;

/// The kernel's threads for `owner` that are processes of their own.
std::vector<pid_t> kernel_processes_of(pid_t owner) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::string comm;
    std::getline(std::ifstream(entry.path() / "comm"), comm);
    if (comm == "vhost-" + std::to_string(owner)) found.push_back(std::stoi(entry.path().filename()));
  }
  return found;
}

std::uint64_t vhost_ns(pid_t owner) {
  std::uint64_t sum = thread_cpu_ns(owner, "vhost-");
  for (const pid_t pid : kernel_processes_of(owner)) sum += thread_cpu_ns(pid, "vhost-");
  return sum;
}

}  // namespace

TEST_CASE("a vhost thread's CPU is its VMM's sandbox's, in a role of its own", "[.guest]") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  CHECK(account.of(id).cpu.count(Role::vhost) == 0);
  qemu.tell("vhost");
  qemu.tell("vhost");
  Account late;  // one that finds them running
  const auto before = vhost_ns(qemu.pid());
  CHECK(before > 0);
  const auto in_time = account.of(id);
  const auto found = late.of(id);
  const auto after = vhost_ns(qemu.pid());
  const auto anonymous = status_bytes(qemu.pid(), "RssAnon");
  for (const auto& values : {in_time, found}) {
    REQUIRE(values.cpu.count(Role::vhost) == 1);
    // Before 6.4 vhost's thread borrows the VMM's address space.
    CHECK(values.memory.vmm_bytes == anonymous);
    CHECK(values.role_memory.count(Role::vhost) == 0);
    CHECK(before <= values.cpu.at(Role::vhost).cpu_ns);
    CHECK(values.cpu.at(Role::vhost).cpu_ns <= after);
  }
  qemu.end();
  const auto ended = account.wait_for(id, [](const auto& now) { return now.memory.vmm_bytes == 0; });
  CHECK(ended.cpu.at(Role::vhost).cpu_ns >= before);
}
