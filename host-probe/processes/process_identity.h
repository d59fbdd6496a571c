#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "host-probe/sandbox_id.h"

namespace katameter::host {

/// What a process is to its sandbox.
enum class ProcessKind { vmm, virtiofsd, shim, kernel };

struct ProcessIdentity {
  ProcessKind kind = ProcessKind::vmm;
  SandboxId
      sandbox;  // as the command line has it: of some VMMs a part of the id or the VM's own (SandboxPlace::other_id)

  bool operator==(const ProcessIdentity&) const = default;
};

/// Whose process this is, from its command line alone; nothing if it is not a sandbox's. The forms are those of Kata's
/// runtimes, both of them, for QEMU, cloud-hypervisor, Firecracker, StratoVirt, and virtiofsd in C and in Rust. The
/// program's own name is not looked at: a runtime may be configured to start it from a file of any name. A shim is one
/// of Kata's by its name, and the one that stays: what containerd runs as `start` or `delete` may have a container's
/// id.
std::optional<ProcessIdentity> identify_process(std::span<const std::string_view> arguments);

/// For which process a kernel thread of this name works, by its id or that of one of its threads; nothing if the name
/// does not say.
std::optional<std::uint32_t> owner_of_kernel_thread(std::string_view name);

/// A command line as the kernel keeps it, each argument ended by a zero byte. One at the end that is not was cut off, and
/// is left out.
std::vector<std::string_view> split_command_line(std::string_view raw);

/// Whose process `pid` is by /proc/<pid>/cmdline, a kernel thread's by its name; nothing if it is not a sandbox's, or has
/// ended. For processes that ran before us, once each: of those that start later the kernel sends the command line
/// (exec_event).
std::optional<ProcessIdentity> identify_running(std::uint32_t pid);

}  // namespace katameter::host
