#pragma once

#include "userspace/result.h"

namespace katameter::guest {

/// What the process may still do once it serves.
enum class Rights {
  none,     ///< no capability, no bpf()
  run_bpf,  ///< CAP_BPF and bpf(): where no BPF file system could be had, running a program takes them
};

/// Asks the kernel's OOM killer to look elsewhere first: /proc/self/oom_score_adj, as kubelet does with itself. Takes
/// CAP_SYS_RESOURCE.
Status shield_from_oom_killer();

/// Gives up all capabilities but those of `rights`, for good (no_new_privs).
Status give_up_capabilities(Rights rights);

/// Has the kernel refuse, with EPERM, every system call that serving does not need. ENOSYS or EINVAL in the error: this
/// kernel has no seccomp filters.
Status filter_calls(Rights rights);

}  // namespace katameter::guest
