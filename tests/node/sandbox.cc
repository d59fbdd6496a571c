#include "tests/node/sandbox.h"

#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

namespace katameter::host::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto patience = 250s;

template <typename Done>
bool within(std::chrono::seconds time, Done done) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(50ms);
  }
  return true;
}

/// QEMU's CIDs, of which no two at a time may be the same.
int next_cid() {
  static std::atomic<int> last = 100;
  return ++last;
}

/// in_node.sh made it, before the node was there.
std::string initrd(const SandboxOptions& options) {
  const char* directory = std::getenv("INITRDS");
  REQUIRE(directory != nullptr);
  return fs::path(directory) / (options.kernel + "-" + options.cgroup + "-" + options.start);
}

}  // namespace

ContainerId SandboxOptions::fresh_container_id() {
  static std::mt19937_64 random{std::random_device{}()};
  std::string hex;
  while (hex.size() < 64) hex += "0123456789abcdef"[random() % 16];
  return *ContainerId::from_hex(hex);
}

Sandbox::Sandbox(SandboxOptions options) : options_(std::move(options)) {
  work_ = fs::temp_directory_path() / ("sandbox-" + id().hex().substr(0, 12));
  fs::create_directories(work_);
  std::vector<std::string> arguments{SANDBOX_SCRIPT};
  const auto give = [&](const std::string& option, const std::string& value) {
    arguments.insert(arguments.end(), {option, value});
  };
  give("--id", id().hex());
  give("--dir", "/");
  give("--layout", options_.layout);
  give("--cid", std::to_string(next_cid()));
  if (options_.shim) give("--shim", KATA_SHIM);
  give("--preload", KVM_RUN_LIBRARY);
  give("--kernel", options_.kernel);
  give("--initrd", initrd(options_));
  give("--start", options_.start);
  give("--cpus", std::to_string(options_.cpus));
  give("--memory", std::to_string(options_.memory_mib));
  give("--console", work_ / "console");
  give("--timeout", "240");
  arguments.emplace_back("--cgroups");
  script_ = Child(arguments, work_ / "log");
}

Sandbox::~Sandbox() {
  end();
  std::error_code ignored;
  fs::remove_all(work_, ignored);
}

void Sandbox::end() {
  script_.signal(SIGTERM);
  if (!within(30s, [this] { return processes().empty() && !script_.runs(); })) {
    for (const pid_t pid : processes()) kill(pid, SIGKILL);
  }
  script_.end();
}

void Sandbox::wait_ready() {
  const auto is_ready = [this] { return contents(work_ / "log").find("ready\n") != std::string::npos; };
  const bool decided = within(patience, [&] { return is_ready() || !script_.runs(); });
  INFO(contents(work_ / "log") << console());
  REQUIRE(decided);
  REQUIRE(is_ready());
}

fs::path Sandbox::share() const {
  return fs::path("/run/kata-containers/shared/sandboxes") / id().hex() /
         (options_.layout.ends_with("-rs") ? "ro" : "shared");
}

void Sandbox::reboot() {
  const auto boots = [this] {
    const std::string said = console();
    int count = 0;
    for (std::size_t at = 0; (at = said.find("sandbox: up", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const int before = boots();
  begin("busybox reboot -f");
  INFO(console());
  REQUIRE(within(patience, [&] { return boots() > before; }));
  commands_ = 0;  // its numbers begin anew
}

int Sandbox::begin(const std::string& script) {
  const std::string number = std::to_string(++commands_);
  std::ofstream(share() / (number + ".part")) << script << "\n";
  fs::rename(share() / (number + ".part"), share() / (number + ".do"));
  return commands_;
}

std::string Sandbox::finish(int number) {
  const fs::path answer = share() / (std::to_string(number) + ".done");
  const bool done = within(patience, [&] { return fs::exists(answer); });
  INFO(console());
  REQUIRE(done);
  std::string said = contents(answer);
  fs::remove(answer);
  said.erase(said.find_last_not_of('\n') + 1);
  const std::size_t last = said.rfind('\n') + 1;  // npos + 1 is 0
  const std::string status = said.substr(last);
  said.erase(last);
  INFO(said);
  REQUIRE(status == "0");
  return said;
}

std::string Sandbox::run(const std::string& script) {
  return finish(begin(script));
}

std::vector<fs::path> Sandbox::cgroups() const {
  const std::string hex = id().hex();
  const std::string uid = hex.substr(0, 8) + "_" + hex.substr(8, 4) + "_" + hex.substr(12, 4) + "_" +
                          hex.substr(16, 4) + "_" + hex.substr(20, 12);
  const fs::path root = "/sys/fs/cgroup";
  const std::string pod = "kubepods-burstable-pod" + uid + ".slice";
  if (options_.layout.ends_with("-rs")) {
    return {root / "kubepods.slice" / "kubepods-burstable.slice" / pod / ("cri-containerd-" + hex + ".scope")};
  }
  return {root / (pod + ":cri-containerd:" + hex), root / "kata_overhead" / hex};
}

std::vector<pid_t> Sandbox::processes(const std::string& name) const {
  std::vector<pid_t> found;
  for (const fs::path& cgroup : cgroups()) {
    std::ifstream procs(cgroup / "cgroup.procs");
    for (pid_t pid = 0; procs >> pid;) {
      std::string comm = contents("/proc/" + std::to_string(pid) + "/comm");
      if (comm.starts_with(name)) found.push_back(pid);
    }
  }
  return found;
}

pid_t Sandbox::vmm() const {
  const auto found = processes(options_.layout.starts_with("qemu") ? "qemu-system" : "cloud-hyper");
  REQUIRE(found.size() == 1);
  return found.front();
}

std::string Sandbox::console() const {
  return contents(work_ / "console");
}

}  // namespace katameter::host::testing
