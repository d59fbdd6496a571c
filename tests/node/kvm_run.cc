// Preloaded into the VMMs of an emulated node: an ioctl() before the C library's, which runs KVM_RUN again if it ended with
// an internal error that the next run does not have.
//
// When a guest has taken an exception, QEMU's SVM reports the exception's type in EXITINTINFO at the next exit, without the
// valid bit (do_vmexit(), QEMU 7.2 and 10.0); a processor reports 0. KVM of 6.12 looks at the valid bit, KVM of 6.18 also at
// the type alone (svm_check_emulate_instruction()): it does not emulate the guest's access to a device then, and KVM_RUN
// ends with KVM_INTERNAL_ERROR_DELIVERY_EV. The guest's state is unchanged, and the next exit reports 0.
//
// How often is not limited. KVM handles a busy guest's other exits itself, so that the VMM may see several such errors in a row.
// KVM does not report the valid bit, so a delivery that has really failed looks the same. Such a guest runs into the time limit
// of its test, as it does when the VMM stops it.
#include <dlfcn.h>
#include <linux/kvm.h>
#include <sys/mman.h>

#include <cstdarg>
#include <cstddef>

namespace {

using Ioctl = int (*)(int, unsigned long, ...);

/// struct kvm_run of the vCPU that this thread runs. The VMM has mapped it, too.
const kvm_run* run_of(int fd) {
  thread_local int mapped_fd = -1;
  thread_local void* mapped = MAP_FAILED;
  if (fd != mapped_fd) {
    mapped = mmap(nullptr, sizeof(kvm_run), PROT_READ, MAP_SHARED, fd, 0);
    mapped_fd = fd;
  }
  return mapped == MAP_FAILED ? nullptr : static_cast<const kvm_run*>(mapped);
}

bool is_of_delivery(int fd) {
  const kvm_run* run = run_of(fd);
  return run != nullptr && run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
         run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV;
}

}  // namespace

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
  static const auto next = reinterpret_cast<Ioctl>(dlsym(RTLD_NEXT, "ioctl"));
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  int result = next(fd, request, argument);
  while (request == KVM_RUN && result == 0 && is_of_delivery(fd)) result = next(fd, request, argument);
  return result;
}
