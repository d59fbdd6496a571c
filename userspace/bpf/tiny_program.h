#pragma once

#include <linux/bpf.h>

#include <span>

namespace katameter {

/// One instruction of a program that is written by hand, to try what the kernel takes. `code`: BPF_* of its class,
/// operation and source; `to` and `from`: registers, or a BPF_PSEUDO_*; no offset.
bpf_insn instruction(unsigned code, unsigned to, unsigned from, int value);

/// Whether the kernel loads such a program, as a raw tracepoint's; if not, errno says why. It does not stay.
bool loads(std::span<const bpf_insn> program);

}  // namespace katameter
