#include "guest-probe/commands/confinement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string_view>

#include "userspace/fd.h"

namespace katameter::guest {
namespace {

// What the event loop, the sockets, the log and the heap need. Files are opened for reading only: the iterators, and the
// program itself once.
constexpr std::array serving_calls{
    SCMP_SYS(accept4),       SCMP_SYS(brk),
    SCMP_SYS(clock_gettime), SCMP_SYS(close),
    SCMP_SYS(epoll_ctl),     SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),    SCMP_SYS(exit),
    SCMP_SYS(exit_group),    SCMP_SYS(fadvise64),
    SCMP_SYS(fstat),         SCMP_SYS(futex),
    SCMP_SYS(getpid),        SCMP_SYS(gettid),
    SCMP_SYS(lseek),         SCMP_SYS(madvise),
    SCMP_SYS(mmap),          SCMP_SYS(mremap),
    SCMP_SYS(munmap),        SCMP_SYS(newfstatat),
    SCMP_SYS(pread64),       SCMP_SYS(read),
    SCMP_SYS(recvfrom),      SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),       SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),        SCMP_SYS(tgkill),
    SCMP_SYS(unlink),        SCMP_SYS(unlinkat),
    SCMP_SYS(write),         SCMP_SYS(writev),
};

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};

Status drop_capabilities(Rights rights) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> kept{};
  if (rights == Rights::run_bpf) {
    // A kernel without CAP_BPF (before 5.8) has no iterators either.
    auto& half = kept[CAP_BPF / 32];
    half.effective = half.permitted = __u32{1} << CAP_BPF % 32;
  }
  if (syscall(SYS_capset, &header, kept.data()) != 0) return system_failure("cannot give up capabilities");
  return {};
}

}  // namespace

Status shield_from_oom_killer() {
  constexpr std::string_view oom_score_adj = "-999";
  const Fd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), oom_score_adj.data(), oom_score_adj.size()) < 0) {
    return system_failure("cannot write /proc/self/oom_score_adj");
  }
  return {};
}

Status give_up_capabilities(Rights rights) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_failure("cannot set no_new_privs");
  return drop_capabilities(rights);
}

Status filter_calls(Rights rights) {
  const std::unique_ptr<void, ReleaseFilter> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (filter == nullptr) return failure("cannot make a seccomp filter");
  int status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
  for (const int call : serving_calls) {
    if (status == 0) status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  }
  if (status == 0 && rights == Rights::run_bpf) {
    status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(bpf), 0);
  }
  if (status == 0) status = seccomp_load(filter.get());
  if (status != 0) return system_failure("cannot set a seccomp filter (CONFIG_SECCOMP_FILTER)", -status);
  return {};
}

}  // namespace katameter::guest
