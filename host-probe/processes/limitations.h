#pragma once

#include <string>
#include <vector>

namespace katameter::host {

/// Something on this node keeps values of the host's processes from being there, or from being whole.
struct Limitation {
  std::string reason;  // label of katameter_host_limitation
  std::string text;    // what is missing, and what to do about it
};

/// Where the kernel shows what limits; other files in tests.
struct KernelViews {
  std::string pid_namespace = "/proc/self/ns/pid";
  std::string of_root = "/proc/2/cmdline";  // kthreadd's: root's with all capabilities, as VMMs and shims are
  std::string lockdown = "/sys/kernel/security/lockdown";
  std::string possible_cpus = "/sys/devices/system/cpu/possible";
};

/// What limits here, in the kernel's own files; empty on an ordinary node.
/// - pid_namespace: process ids of the kernel are not those of /proc here (include/linux/proc_ns.h, PROC_PID_INIT_INO)
/// - hidepid: /proc hides processes of others (proc(5)), and those of root with more capabilities than one's own; of
///   hidepid=1 and 2 the group is exempt that gid= names, root's if none does (has_pid_permissions())
/// - lockdown: lockdown=confidentiality refuses BPF programs that read the kernel's memory (security/lockdown)
/// - cpus: more possible CPUs than are read
std::vector<Limitation> find_limitations(const KernelViews& views);

/// Whether /proc here does not show all processes of the node, because of `pid_namespace` or `hidepid`. A process that it
/// does not show may be running.
bool proc_lacks_processes(const KernelViews& views);

/// Logs each as a warning, and sets its series.
void report_limitations(const std::vector<Limitation>& limitations);

}  // namespace katameter::host
