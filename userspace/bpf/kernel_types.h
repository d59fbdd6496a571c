#pragma once

#include <bpf/btf.h>

#include <memory>

namespace katameter {

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
using KernelTypes = std::unique_ptr<btf, FreeBtf>;

/// The types of the running kernel; null without CONFIG_DEBUG_INFO_BTF. Reading them takes some 10 ms. For userspace/bpf
/// alone.
inline KernelTypes read_kernel_types() {
  return KernelTypes(btf__load_vmlinux_btf());
}

}  // namespace katameter
