#include "userspace/bpf/skeleton.h"

#include <bpf/bpf.h>

#include <cerrno>

namespace katameter {

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
