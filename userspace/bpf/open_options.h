#pragma once

#include <bpf/libbpf.h>

namespace katameter {

/// How to open a skeleton so that loading it takes CAP_BPF and CAP_PERFMON and no more. Only for userspace/bpf.
///
/// libbpf looks for a type that the kernel's BTF lacks in that of its modules too, and gives up where it may not list
/// them (CAP_SYS_ADMIN). There the kernel's is named as all there is, which is then parsed twice.
bpf_object_open_opts open_options();

}  // namespace katameter
