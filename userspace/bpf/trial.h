#pragma once

#include <bpf/btf.h>
#include <linux/bpf.h>

#include <memory>
#include <span>

namespace katameter {

/// One instruction of a program that is written by hand, to try what the kernel takes. `code`: BPF_* of its class,
/// operation and source; `to` and `from`: registers, or a BPF_PSEUDO_*; no offset.
bpf_insn instruction(unsigned code, unsigned to, unsigned from, int value);

/// Whether the kernel loads such a program, as a raw tracepoint's; if not, errno says why. It does not stay.
bool loads(std::span<const bpf_insn> program);

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
using KernelTypes = std::unique_ptr<btf, FreeBtf>;

/// The types of the running kernel; null without CONFIG_DEBUG_INFO_BTF. Reading them takes some 10 ms. Only for
/// the folders called bpf.
inline KernelTypes read_kernel_types() {
  return KernelTypes(btf__load_vmlinux_btf());
}

/// Whether the running kernel, whose types these are, loads the programs that read its memory without a call
/// (bpf/read.bpf.h): 6.2 and later, with the JIT. Tries it with a program of five instructions.
bool kernel_reads_directly(const btf& types);

/// The same of the kernel's types, which are read for it: some 10 ms.
bool kernel_reads_directly();

}  // namespace katameter
