#pragma once

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "userspace/fd.h"
#include "userspace/result.h"

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

/// How to open a skeleton so that loading it takes CAP_BPF and CAP_PERFMON and no more. Only for the folders called bpf.
///
/// libbpf looks for a type that the kernel's BTF lacks in that of its modules too, and gives up where it may not list
/// them (CAP_SYS_ADMIN). There the kernel's is named as all there is, which is then parsed twice.
bpf_object_open_opts open_options();

/// Opens the object `elf_bytes` by the skeleton of another one that is made of the same sources and differs in how its
/// programs read (bpf/read.bpf.h), so that one skeleton serves both; the caller asserts that both are alike. Null with
/// errno set if it cannot be. Only for the folders called bpf, as the raw pointer is.
template <typename Skeleton>
Skeleton* open_variant(int (*create)(Skeleton*), const void* (*elf_bytes)(std::size_t*),
                       const bpf_object_open_opts& options) {
  auto* skeleton = static_cast<Skeleton*>(std::calloc(1, sizeof(Skeleton)));
  if (skeleton == nullptr || create(skeleton) != 0) {
    std::free(skeleton);
    return nullptr;
  }
  skeleton->skeleton->data = elf_bytes(&skeleton->skeleton->data_sz);
  if (const int status = bpf_object__open_skeleton(skeleton->skeleton, &options); status != 0) {
    Skeleton::destroy(skeleton);
    errno = -status;
    return nullptr;
  }
  return skeleton;
}

/// Runs a raw_tp program once by BPF_PROG_TEST_RUN, on this CPU and under rcu_read_lock(), with `arguments` (at most
/// 12) as its args[]; the program's return value. The kernel answers EPERM to a task that may not use BPF.
Result<std::uint32_t> test_run(const Fd& program, std::span<const std::uint64_t> arguments = {});

/// The same on a given CPU; ENXIO while that CPU is not online.
Result<std::uint32_t> test_run_on_cpu(const Fd& program, int cpu);

}  // namespace katameter
