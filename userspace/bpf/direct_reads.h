#pragma once

struct btf;

namespace katameter {

/// Whether the running kernel, whose types these are, loads the programs that read its memory without a call
/// (bpf/read.bpf.h): 6.2 and later, with the JIT. Tries it with a program of five instructions.
bool kernel_reads_directly(const btf& types);

/// The same of the kernel's types, which are read for it: some 10 ms.
bool kernel_reads_directly();

}  // namespace katameter
