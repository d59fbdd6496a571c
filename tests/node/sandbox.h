#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child.h"
#include "userspace/wire/container_id.h"

namespace katameter::host::testing {

struct SandboxOptions {
  std::string layout = "qemu";  // of vmtest/sandbox.sh
  std::string kernel = "5.10.262";
  std::string cgroup = "v1";
  int cpus = 1;
  int memory_mib = 256;
  std::string start = "boot";  // of guest-probe
  bool shim = true;            // false: containerd has started one
  ContainerId id = fresh_container_id();

  static ContainerId fresh_container_id();
};

/// A sandbox under KVM as vmtest/sandbox.sh makes it, below a shim and in Kata's cgroups; run() executes a script
/// in its guest.
class Sandbox {
 public:
  /// Begins to start it.
  explicit Sandbox(SandboxOptions options = {});
  /// Ends it, and all of its processes.
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  /// Waits until its guest has booted; with guest-probe started at boot also for that.
  void wait_ready();
  const ContainerId& id() const { return options_.id; }

  /// Reboots its guest and waits until it has booted again. cloud-hypervisor's, which stays; QEMU ends then, as Kata has
  /// it.
  void reboot();

  /// Runs a script of busybox sh in its guest, with the functions of guest.sh, and waits for it; what it printed. Fails
  /// the test if the script fails.
  std::string run(const std::string& script);
  /// The two halves of run().
  int begin(const std::string& script);
  std::string finish(int number);

  /// Its processes, by the beginning of their name: "containerd-shim", "virtiofsd", "" for all.
  std::vector<pid_t> processes(const std::string& name = "") const;
  pid_t vmm() const;

  /// The cgroups of its processes on the node: the pod's, and where the layout has one that of the overhead.
  std::vector<std::filesystem::path> cgroups() const;
  std::string console() const;

 private:
  void end();
  std::filesystem::path share() const;

  SandboxOptions options_;
  std::filesystem::path work_;
  Child script_;
  int commands_ = 0;
};

}  // namespace katameter::host::testing
