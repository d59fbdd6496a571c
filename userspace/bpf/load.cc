#include "userspace/bpf/load.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <array>
#include <cerrno>

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

bpf_object_open_opts open_options() {
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  __u32 id = 0;
  if (bpf_btf_get_next_id(0, &id) != 0 && errno == EPERM) options.btf_custom_path = "/sys/kernel/btf/vmlinux";
  return options;
}

namespace {

Result<std::uint32_t> run(const Fd& program, bpf_test_run_opts& options) {
  const int status = bpf_prog_test_run_opts(program.get(), &options);
  if (status != 0) return system_failure("cannot run a BPF program", -status);
  return options.retval;
}

}  // namespace

Result<std::uint32_t> test_run(const Fd& program, std::span<const std::uint64_t> arguments) {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = arguments.data();
  options.ctx_size_in = static_cast<std::uint32_t>(arguments.size_bytes());
  return run(program, options);
}

Result<std::uint32_t> test_run_on_cpu(const Fd& program, int cpu) {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.flags = BPF_F_TEST_RUN_ON_CPU;
  options.cpu = static_cast<std::uint32_t>(cpu);
  return run(program, options);
}

}  // namespace katameter
