#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/fd.h"
#include "userspace/result.h"

namespace katameter {

/// The `guest-cid=<number>` that QEMU and StratoVirt are given for their vhost-vsock device, in a command line as the
/// kernel keeps it (arguments end with a zero byte). Nothing if there is none, or one that no guest can have (0 to 2
/// and 2^32 - 1 mean hypervisor, loopback, host and anybody).
std::optional<std::uint32_t> guest_cid_in(std::string_view command_line);

/// Tells the process id of a guest's VMM by other ways than a file; nothing if it is not known.
using FindVmm = std::function<std::optional<std::uint32_t>()>;

/// The CID of the guest whose VMM has left its process id in `directory`/pid, as the Go runtime has it do; without that
/// file, as with runtime-rs, of the VMM that `find_vmm` knows. ENOENT: neither knows one; ESRCH: no such process.
Result<std::uint32_t> guest_cid(const std::string& directory, const FindVmm& find_vmm);

/// Begins to connect to that guest's port, non-blocking: the socket can be written to when it is connected.
Result<Fd> connect_by_cid(const std::string& directory, const FindVmm& find_vmm, std::uint32_t port);

}  // namespace katameter
