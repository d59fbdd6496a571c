#include "userspace/bpf/open_options.h"

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

}  // namespace katameter
