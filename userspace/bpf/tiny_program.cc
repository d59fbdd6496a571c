#include "userspace/bpf/tiny_program.h"

#include <bpf/bpf.h>

#include "userspace/fd.h"

namespace katameter {

bpf_insn instruction(unsigned code, unsigned to, unsigned from, int value) {
  bpf_insn made{};
  made.code = static_cast<__u8>(code);
  made.dst_reg = static_cast<__u8>(to & 0xf);
  made.src_reg = static_cast<__u8>(from & 0xf);
  made.imm = value;
  return made;
}

bool loads(std::span<const bpf_insn> program) {
  return static_cast<bool>(
      Fd(bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "katameter_try", "GPL", program.data(), program.size(), nullptr)));
}

}  // namespace katameter
