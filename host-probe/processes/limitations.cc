#include "host-probe/processes/limitations.h"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "bpf/lib/records.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/fd.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

constexpr ino_t initial_pid_namespace = 0xEFFFFFFC;  // PROC_PID_INIT_INO

bool in_another_pid_namespace(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_ino != initial_pid_namespace;
}

// Not known in another pid namespace, whose /proc has no kthreadd, and then false.
bool proc_hides_processes(const KernelViews& views) {
  return !in_another_pid_namespace(views.pid_namespace) && access(views.of_root.c_str(), F_OK) != 0;
}

bool locked_down(const std::string& path) {
  const auto text = read_file(path, 4096);
  return text && text->find("[confidentiality]") != std::string::npos;
}

// "0-511": as many as the last number says, and one.
int cpus_of(const std::string& path) {
  const std::string text = read_file(path, 4096).value_or(std::string());
  const std::size_t last = text.find_last_of("-,");
  int number = -1;
  std::from_chars(text.data() + (last == std::string::npos ? 0 : last + 1), text.data() + text.size(), number);
  return number + 1;
}

}  // namespace

std::vector<Limitation> find_limitations(const KernelViews& views) {
  std::vector<Limitation> found;
  if (in_another_pid_namespace(views.pid_namespace)) {
    found.push_back(
        {"pid_namespace",
         "host-probe runs in a pid namespace of its own: processes that ran before it are not found, guests "
         "by CID neither; give its pod hostPID: true"});
  }
  if (proc_hides_processes(views)) {
    found.push_back({"hidepid",
                     "/proc hides the processes of others: those that ran before host-probe are not found, guests by "
                     "CID neither; mount it without hidepid, or give host-probe CAP_SYS_PTRACE"});
  }
  if (locked_down(views.lockdown)) {
    found.push_back(
        {"lockdown",
         "kernel lockdown refuses BPF programs that read the kernel's memory: there is no CPU and memory of "
         "VMMs and virtiofsd; start the node without lockdown=confidentiality"});
  }
  if (const int cpus = cpus_of(views.possible_cpus); cpus > MAX_CPUS) {
    found.push_back({"cpus", "the kernel has " + std::to_string(cpus) + " possible CPUs, of which " +
                                 std::to_string(MAX_CPUS) + " are read: memory of processes is too low"});
  }
  return found;
}

bool proc_lacks_processes(const KernelViews& views) {
  return in_another_pid_namespace(views.pid_namespace) || proc_hides_processes(views);
}

void report_limitations(const std::vector<Limitation>& limitations) {
  for (const Limitation& limitation : limitations) {
    log_warning("values of the host are limited", {{"reason", limitation.reason}, {"error", limitation.text}});
    OwnMetrics::of_process().set_host_limitation(limitation.reason);
  }
}

}  // namespace katameter::host
