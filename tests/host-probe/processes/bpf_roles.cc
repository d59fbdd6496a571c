#include <csignal>
#include <fstream>

#include "tests/host-probe/processes/bpf.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;

namespace {

namespace fs = std::filesystem;

/// A memory cgroup, v1 or v2, with little room; gone with its object.
class TightCgroup {
 public:
  explicit TightCgroup(std::uint64_t bytes) {
    const fs::path v1 = "/sys/fs/cgroup/memory";
    const bool is_v1 = fs::exists(v1 / "memory.limit_in_bytes") || fs::exists(v1 / "memory.usage_in_bytes");
    const fs::path root = is_v1 ? v1 : fs::path("/sys/fs/cgroup");
    if (!is_v1) write(root / "cgroup.subtree_control", "+memory");
    directory_ = root / ("katameter-" + fresh_id().hex().substr(0, 12));
    fs::create_directory(directory_);
    write(directory_ / (is_v1 ? "memory.limit_in_bytes" : "memory.max"), std::to_string(bytes));
  }
  TightCgroup(const TightCgroup&) = delete;
  TightCgroup& operator=(const TightCgroup&) = delete;
  ~TightCgroup() {
    std::error_code ignored;
    fs::remove(directory_, ignored);
  }
  void take(pid_t pid) const { write(directory_ / "cgroup.procs", std::to_string(pid)); }

 private:
  static void write(const fs::path& file, const std::string& text) {
    std::ofstream stream(file);
    if (!(stream << text << std::flush)) FAIL("cannot write " << file);
  }
  fs::path directory_;
};

}  // namespace

TEST_CASE("a shim's CPU and memory are the sandbox's, whatever its alias") {
  const std::string file_name = GENERATE("containerd-shim-kata-v2", "containerd-shim-kata-qemu-v2");
  const ContainerId id = fresh_id();
  Account account;
  Actor shim = Actor::shim(id, file_name);
  shim.tell("burn main 20");
  shim.tell("anonymous 2");
  const auto before = process_cpu_ns(shim.pid());
  const SandboxProcesses values = account.of(id);
  CHECK(before <= values.cpu.at(Role::shim).cpu_ns);
  CHECK(values.cpu.at(Role::shim).cpu_ns <= process_cpu_ns(shim.pid()));
  CHECK(values.cpu.size() == 1);
  CHECK(values.memory.shim_bytes == status_bytes(shim.pid(), "RssAnon"));
  CHECK(values.memory.page_tables_bytes == status_bytes(shim.pid(), "VmPTE"));
  Account late;  // one that finds it running
  CHECK(late.of(id).cpu.at(Role::shim).cpu_ns >= values.cpu.at(Role::shim).cpu_ns);
}

TEST_CASE("the shim that runs for start is not taken for a sandbox's") {
  const ContainerId container = fresh_id();
  Account account;
  Actor start("containerd-shim-kata-v2", {"-namespace", "k8s.io", "-id", container.hex(), "start"});
  start.tell("burn main 5");
  CHECK(account.collect().count(container) == 0);
}

TEST_CASE("runc's shims and what they start are not touched") {
  const ContainerId id = fresh_id();
  Account account;
  Actor runc("containerd-shim-runc-v2", {"-namespace", "k8s.io", "-id", id.hex()});
  Actor containerd("containerd", {"-id", id.hex()});
  const auto child = static_cast<pid_t>(runc.tell("fork 1"));
  Actor kata = Actor::shim(fresh_id());
  Account late;  // one that finds them running
  for (Account* const one : {&account, &late}) {
    CHECK(one->collect().count(id) == 0);
    CHECK(one->listed(kata.pid()));
    for (const pid_t stranger : {runc.pid(), containerd.pid(), child}) CHECK_FALSE(one->listed(stranger));
  }
}

TEST_CASE("what a shim starts is a VMM from its exec on, and counted once") {
  const ContainerId id = fresh_id();
  Account account;
  Actor shim = Actor::shim(id);
  const std::string program = copy_actor(shim, "cloud-hypervisor");
  const auto child =
      static_cast<pid_t>(shim.tell("spawn 300 " + program + " --api-socket /run/vc/vm/" + id.hex() + "/clh-api.sock"));
  // Before the exec, when it is one more process of the shim's, and all the time after.
  std::uint64_t last = 0;
  std::uint64_t as_shim = 0;
  const auto comm = [&] {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(child) + "/comm") >> std::ws, name);
    return name;
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (comm() != "cloud-hyperviso" && std::chrono::steady_clock::now() < end) {
    const auto now = total_ns(account.of(id));
    CHECK(now >= last);
    last = now;
    as_shim = std::max(as_shim, now);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE(comm() == "cloud-hyperviso");
  CHECK(as_shim > 50'000'000);
  wait_asleep(child);
  const auto both = process_cpu_ns(shim.pid()) + process_cpu_ns(child);
  const SandboxProcesses values = account.of(id);
  CHECK(both <= total_ns(values));
  CHECK(total_ns(values) <= process_cpu_ns(shim.pid()) + process_cpu_ns(child));
  CHECK(values.cpu.count(Role::vmm) == 1);
  CHECK(values.cpu.at(Role::vmm).cpu_ns < 300'000'000);
  CHECK(values.memory.vmm_bytes == status_bytes(child, "RssAnon"));
  CHECK(values.memory.shim_bytes == status_bytes(shim.pid(), "RssAnon"));
}

TEST_CASE("the kernel's threads in a VMM are a role of their own, alive and dead") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  const std::string name = "vhost-" + std::to_string(qemu.pid());
  qemu.tell("thread " + name);
  qemu.tell("burn " + name + " 100");
  qemu.tell("burn main 10");
  const auto before = thread_cpu_ns(qemu.pid(), "vhost-");
  const auto all = process_cpu_ns(qemu.pid());
  const SandboxProcesses values = account.of(id);
  CHECK(before <= values.cpu.at(Role::vhost).cpu_ns);
  CHECK(values.cpu.at(Role::vhost).cpu_ns <= thread_cpu_ns(qemu.pid(), "vhost-"));
  CHECK(values.cpu.at(Role::vhost).cpu_ns >= 100'000'000);
  CHECK(total_ns(values) >= all);
  CHECK(total_ns(values) <= process_cpu_ns(qemu.pid()));

  qemu.tell("end " + name);
  auto last = values.cpu;
  for (int i = 0; i < 30; ++i) {
    const auto now = account.of(id).cpu;
    CHECK(now.at(Role::vhost).cpu_ns >= last.at(Role::vhost).cpu_ns);
    CHECK(now.at(Role::vmm).cpu_ns >= last.at(Role::vmm).cpu_ns);
    last = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(last.at(Role::vmm).cpu_ns < values.cpu.at(Role::vmm).cpu_ns + 50'000'000);
}

TEST_CASE("the host's OOM kills are counted by role") {
  const ContainerId id = fresh_id();
  Account account;
  Actor qemu = Actor::qemu(id);
  const SandboxProcesses before = account.of(id);
  CHECK(before.oom_kills == std::map<Role, std::uint64_t>{{Role::vmm, 0}});
  const TightCgroup cgroup(16 << 20);
  Actor virtiofsd = Actor::virtiofsd(id);
  cgroup.take(virtiofsd.pid());
  CHECK(account.of(id).oom_kills.at(Role::virtiofsd) == 0);
  virtiofsd.begin("anonymous 64");
  virtiofsd.end();
  const auto values = account.of(id);
  CHECK(values.oom_kills == std::map<Role, std::uint64_t>{{Role::vmm, 0}, {Role::virtiofsd, 1}});
  for (int i = 0; i < 5; ++i) {
    CHECK(account.of(id).oom_kills == values.oom_kills);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }

  // The kill that ends the sandbox, with nobody asking between the two.
  cgroup.take(qemu.pid());
  qemu.begin("anonymous 64");
  qemu.end();
  CHECK(account.forget(id) == HostOoms{{Role::vmm, 1}, {Role::virtiofsd, 1}});
}
