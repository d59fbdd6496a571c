#include "userspace/bpf/trial.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <array>

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

bool kernel_reads_directly(const btf& types) {
  const int cast = btf__find_by_name_kind(&types, "bpf_rdonly_cast", BTF_KIND_FUNC);
  const int type = btf__find_by_name_kind(&types, "task_cputime", BTF_KIND_STRUCT);
  if (cast < 0 || type < 0) return false;
  // r0 = bpf_rdonly_cast(0, type); r0 = *r0; r0 = 0; exit
  const std::array program{instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0),
                           instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, type),
                           instruction(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, cast),
                           instruction(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_0, BPF_REG_0, 0),
                           instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
                           instruction(BPF_JMP | BPF_EXIT, 0, 0, 0)};
  return loads(program);
}

bool kernel_reads_directly() {
  const KernelTypes types = read_kernel_types();
  return types != nullptr && kernel_reads_directly(*types);
}

}  // namespace katameter
