#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "host-probe/discovery/discovery.h"
#include "host-probe/node/node.h"
#include "tests/host-probe/processes/bpf.h"
#include "tests/support/loop.h"

// The table in docs/layouts.md, row by row, with actors.

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using katameter::testing::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

constexpr const char* uuid = "6f4e2ad5-9bb0-4b11-8ae2-3c5ef2b4c2a1";

enum class Id { whole, cut, of_vm, plain };

struct Row {
  std::string hypervisor, runtime, variant;  // as in the document
  std::string socket;                        // below the run root; ID stands for the id, in what follows, too
  std::string vmm;                           // file name; empty: the shim is the VMM
  std::vector<std::string> arguments;
  std::string vcpu;         // name of a thread
  std::string helper = {};  // virtiofsd or nydusd
  Id id = Id::whole;        // what directory and VMM have
  std::string roles = "vcpu, vmm, virtiofsd, shim";
};

const std::vector<std::string> ch{"--api-socket", "/run/vc/vm/ID/clh-api.sock"};
const std::vector<std::string> rs_ch{"--api-socket", "/run/kata/ID/ch-api.sock"};
const std::vector<std::string> rootless_ch{"--api-socket", "/run/user/4711/run/vc/vm/ID/clh-api.sock"};
const std::vector<std::string> rs_rootless_ch{"--api-socket", "/run/user/4711/run/kata/ID/ch-api.sock"};
const std::vector<std::string> qemu{"-name", "sandbox-ID,debug-threads=on", "-uuid", "1"};
const std::string bare = "vcpu, vmm, shim";

const std::vector<Row> rows{
    {"cloud-hypervisor", "Go", "", "vc/vm/ID/clh.sock", "cloud-hypervisor", ch, "vcpu0", "virtiofsd"},
    {"cloud-hypervisor", "Go", "rootless", "user/4711/run/vc/vm/ID/clh.sock", "cloud-hypervisor", rootless_ch, "vcpu0",
     "virtiofsd"},
    {"cloud-hypervisor", "Go", "template, vmcache", "vc/vm/ID/clh.sock", "cloud-hypervisor", ch, "vcpu0", "", Id::of_vm,
     bare},
    {"cloud-hypervisor", "Go", "nydusd", "vc/vm/ID/clh.sock", "cloud-hypervisor", ch, "vcpu0", "nydusd"},
    {"cloud-hypervisor", "Go", "ctr run", "vc/vm/ID/clh.sock", "cloud-hypervisor", ch, "vcpu0", "virtiofsd", Id::plain},
    {"QEMU", "Go", "", "vc/vm/ID/qmp.sock", "qemu-system-x86_64", qemu, "CPU_0/KVM", "virtiofsd"},
    {"QEMU", "Go", "rootless", "user/4711/run/vc/vm/ID/qmp.sock", "qemu-system-x86_64", qemu, "CPU_0/KVM", "virtiofsd"},
    {"QEMU", "Go", "template, vmcache", "vc/vm/ID/qmp.sock", "qemu-system-x86_64", qemu, "CPU_0/KVM", "", Id::of_vm,
     bare},
    {"QEMU", "Go", "another file name", "vc/vm/ID/qmp.sock", "kata-qemu", qemu, "CPU_0/KVM", "virtiofsd"},
    {"StratoVirt", "Go", "", "vc/vm/ID/qmp.socket", "stratovirt", qemu, "CPU_0/KVM", "virtiofsd"},
    {"Firecracker",
     "Go",
     "",
     "vc/firecracker/ID/root/kata.hvsock",
     "firecracker",
     {"--api-sock", "/run/vc/firecracker/ID/root/run/firecracker.socket"},
     "fc_vcpu_0",
     "",
     Id::cut,
     bare},
    {"Firecracker",
     "Go",
     "jailed",
     "vc/firecracker/ID/root/kata.hvsock",
     "firecracker",
     {"--id", "ID"},
     "fc_vcpu_0",
     "",
     Id::cut,
     bare},
    {"Firecracker",
     "Go",
     "another file name",
     "vc/fc-1.12/ID/root/kata.hvsock",
     "kata-fc",
     {"--api-sock", "/run/vc/fc-1.12/ID/root/run/firecracker.socket"},
     "fc_vcpu_0",
     "",
     Id::cut,
     bare},
    {"cloud-hypervisor", "runtime-rs", "", "kata/ID/ch-vm.sock", "cloud-hypervisor", rs_ch, "vcpu0", "virtiofsd"},
    {"cloud-hypervisor", "runtime-rs", "rootless", "user/4711/run/kata/ID/ch-vm.sock", "cloud-hypervisor",
     rs_rootless_ch, "vcpu0", "virtiofsd"},
    {"QEMU", "runtime-rs", "", "kata/ID/root/console.sock", "qemu-system-x86_64", qemu, "CPU_0/KVM", "virtiofsd"},
    {"QEMU", "runtime-rs", "rootless", "user/4711/run/kata/ID/root/console.sock", "qemu-system-x86_64", qemu,
     "CPU_0/KVM", "virtiofsd"},
    {"QEMU", "runtime-rs", "ctr run", "kata/ID/root/console.sock", "qemu-system-x86_64", qemu, "CPU_0/KVM", "virtiofsd",
     Id::plain},
    {"Dragonball", "runtime-rs", "", "kata/ID/root/kata.hvsock", "", {}, "db_vcpu0", "", Id::whole, "vcpu, shim"},
    {"Firecracker",
     "runtime-rs",
     "",
     "kata/ID/kata.hvsock",
     "firecracker",
     {"--api-sock", "/run/kata/ID/run/fc.sock"},
     "fc_vcpu_0",
     "",
     Id::whole,
     bare},
    {"Firecracker",
     "runtime-rs",
     "jailed",
     "kata/firecracker/ID/root/kata.hvsock",
     "firecracker",
     {"--id", "ID"},
     "fc_vcpu_0",
     "",
     Id::whole,
     bare},
    {"OpenVMM",
     "runtime-rs",
     "",
     "kata/ID/vsock.sock",
     "openvmm",
     {"--ttrpc", "/run/kata/ID/openvmm.sock"},
     "vp-0",
     "virtiofsd"},
};

std::string with_id(std::string text, const std::string& id) {
  const std::size_t at = text.find("ID");
  return at == std::string::npos ? text : text.replace(at, 2, id);
}

/// One sandbox: its processes, then its socket, as Kata makes them.
class FakeSandbox {
 public:
  FakeSandbox(const Row& row, const fs::path& run) : whole_(row.id == Id::plain ? plain_id() : fresh_id().hex()) {
    const std::string id = row.id == Id::cut ? whole_.substr(0, 32) : row.id == Id::of_vm ? uuid : whole_;
    shim_ = std::make_unique<Actor>("containerd-shim-kata-v2", std::vector<std::string>{"-id", whole_});
    if (row.helper == "nydusd") start("nydusd", {"virtiofs", "--apisock", "/run/kata/" + whole_ + "/api.sock"});
    if (row.helper == "virtiofsd") {
      start("virtiofsd", {"--shared-dir=/run/kata-containers/shared/sandboxes/" + whole_ + "/shared"});
    }
    if (row.vmm.empty()) {
      shim_->tell("thread " + row.vcpu);
    } else {
      start_vmm(row, id);
    }
    const fs::path socket = run / with_id(row.socket, id);
    make_socket(socket);
    if (row.id == Id::of_vm) fs::create_directory_symlink(socket.parent_path(), run / "vc/vm" / whole_);
  }

  const std::string& id() const { return whole_; }

 private:
  static std::string plain_id() { return "foo-" + fresh_id().hex().substr(0, 12); }

  void start(const std::string& program, std::vector<std::string> arguments) {
    actors_.push_back(std::make_unique<Actor>(program, arguments));
  }
  void start_vmm(const Row& row, const std::string& id) {
    std::vector<std::string> arguments;
    for (const std::string& argument : row.arguments) arguments.push_back(with_id(argument, id));
    if (row.vmm.starts_with("kata-")) return start_by_shim(row, arguments);
    start(row.vmm, arguments);
    actors_.back()->tell("thread " + row.vcpu);
  }
  // Nothing but its parent and its command line shows what it is.
  void start_by_shim(const Row& row, const std::vector<std::string>& arguments) {
    std::string command = "spawn 0 " + copy_actor(*shim_, row.vmm);
    for (const std::string& argument : arguments) command += " " + argument;
    const auto pid = static_cast<pid_t>(shim_->tell(command));
    shim_->tell("pass thread " + row.vcpu);
    while (!has_vcpu(pid)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  static bool has_vcpu(pid_t pid) {
    for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
      std::string comm;
      std::getline(std::ifstream(task.path() / "comm"), comm);
      if (comm.starts_with("CPU ") || comm.starts_with("fc_vcpu")) return true;
    }
    return false;
  }

  std::string whole_;
  std::unique_ptr<Actor> shim_;
  std::vector<std::unique_ptr<Actor>> actors_;
};

/// host-probe without its server, as main() puts it together.
struct HostProbe {
  explicit HostProbe(const fs::path& run) {
    auto account = ProcessAccount::create(loop.events());
    if (!account) FAIL(account.error().text);
    processes = *std::move(account);
    node = std::make_unique<Node>(loop.events(), loop.timers(), processes.get());
    const DiscoveryEvents events{[this](const SandboxPlace& place) { node->sandbox_appeared(place); },
                                 [this](const SandboxId& id) { node->sandbox_gone(id); }};
    auto found = Discovery::create(loop.events(), run.string(), events, [this] {
      processes->catch_up();
      return processes->of_shims();
    });
    if (!found) FAIL(found.error().text);
    discovery.emplace(*std::move(found));
    node->begin();
  }
  std::shared_ptr<const NodeReport> collect() {
    std::shared_ptr<const NodeReport> report;
    node->collect([&](auto made) { report = std::move(made); });
    REQUIRE(loop.until([&] { return report != nullptr; }));
    return report;
  }
  /// Each sandbox's id and roles, a line for each, once there is one.
  std::string found() {
    std::string text;
    loop.until([&] {
      const auto report = collect();
      text.clear();
      for (const SandboxReport& sandbox : report->sandboxes)
        text += sandbox.id.string() + ": " + roles_of(sandbox) + "\n";
      return !text.empty();
    });
    return text;
  }
  static std::string roles_of(const SandboxReport& sandbox) {
    std::string text;
    for (const Role role : roles) {
      if (!sandbox.processes || !sandbox.processes->cpu.contains(role)) continue;
      text.append(text.empty() ? "" : ", ").append(name(role));
    }
    return text;
  }

  Loop loop;
  std::unique_ptr<ProcessAccount> processes;
  std::unique_ptr<Node> node;
  std::optional<Discovery> discovery;
};

}  // namespace

TEST_CASE("every layout is found and measured in its roles, whoever was there first, and again") {
  const Row row = GENERATE(from_range(rows));
  const bool before = GENERATE(true, false);
  INFO(row.hypervisor << ", " << row.runtime << ", " << row.variant << ", VM first: " << before);
  const TemporaryDirectory temporary;
  const fs::path run = temporary.path() / "run";
  std::unique_ptr<HostProbe> probe;
  std::unique_ptr<FakeSandbox> sandbox;
  if (before) sandbox = std::make_unique<FakeSandbox>(row, run);
  probe = std::make_unique<HostProbe>(run);
  if (!before) sandbox = std::make_unique<FakeSandbox>(row, run);
  const std::string expected = sandbox->id() + ": " + row.roles + "\n";
  CHECK(probe->found() == expected);
  probe = nullptr;
  probe = std::make_unique<HostProbe>(run);
  CHECK(probe->found() == expected);
}

TEST_CASE("the layouts of the document are those that are tried") {
  std::ifstream document(LAYOUTS_DOCUMENT);
  std::set<std::string> documented;
  for (std::string line; std::getline(document, line);) {
    std::istringstream cells(line);
    std::vector<std::string> found;
    for (std::string cell; std::getline(cells, cell, '|');) {
      const std::size_t first = cell.find_first_not_of(' ');
      found.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
    }
    if (found.size() != 9 || found[1] == "hypervisor" || found[1].starts_with("---")) continue;
    documented.insert(found[1] + "/" + found[2] + "/" + found[3] + ": " + found[7]);
  }
  std::set<std::string> tried;
  for (const Row& row : rows) tried.insert(row.hypervisor + "/" + row.runtime + "/" + row.variant + ": " + row.roles);
  CHECK(documented == tried);
}
