#include "userspace/bpf/direct_reads.h"

#include <bpf/btf.h>

#include <array>

#include "userspace/bpf/kernel_types.h"
#include "userspace/bpf/tiny_program.h"

namespace katameter {

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
