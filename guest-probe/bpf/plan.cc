#include "guest-probe/bpf/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace katameter::guest {
namespace {

std::string loading_remedy(const KernelFacts& facts) {
  if (facts.locked_down) {
    return "kernel lockdown refuses BPF programs that read the kernel's memory (/sys/kernel/security/lockdown: "
           "confidentiality): start the guest without lockdown=confidentiality";
  }
  if (facts.load_errno == EPERM || facts.load_errno == EACCES) {
    return "start it as root or with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE";
  }
  if (facts.load_errno == ENOMEM) return "give the guest more memory";
  return "build the guest kernel with CONFIG_BPF_SYSCALL, CONFIG_FTRACE, CONFIG_UPROBE_EVENTS and CONFIG_BPF_EVENTS";
}

Requirement refused_part(const KernelRefusal& refusal) {
  const std::string name(without_form(refusal.part));
  Requirement requirement{refusal.step == KernelRefusal::Step::create ? "map " + name : "program " + name,
                          false,
                          std::string(impact_without(refusal.part).value_or("everything")),
                          remedy_of(refusal),
                          {}};
  requirement.log.push_back(describe(refusal));
  requirement.log.insert(requirement.log.end(), refusal.log.begin(), refusal.log.end());
  return requirement;
}

// Whether the hierarchy that has the controller is one in which this kernel counts.
bool counts_block_io(const KernelFacts& facts) {
  return facts.block_io && !facts.io_mount.empty() && !(facts.io_v1 && facts.block_io_v2_only);
}

std::string block_io_remedy(const KernelFacts& facts) {
  if (!facts.block_io) return "build the guest kernel with CONFIG_BLK_CGROUP";
  if (facts.io_v1) return "this kernel counts it in cgroup v2 only: leave the blkio hierarchy of v1 unmounted";
  return "mount cgroup v2, or the blkio hierarchy of v1, before guest-probe starts";
}

// Where the counter is among the copies of the kernel's arrays; nowhere beyond the room there.
std::vector<std::uint32_t> places_of_counter(const KernelFacts& facts, std::string_view name) {
  const auto found = facts.network_counters.find(name);
  std::vector<std::uint32_t> places;
  if (found == facts.network_counters.end()) return places;
  const auto add = [&](std::uint32_t begin, std::uint32_t end) {
    if (found->second < end - begin) places.push_back(begin + found->second);
  };
  if (name.starts_with("TCP_")) add(NETWORK_TCP, NETWORK_LINUX);
  if (name.starts_with("LINUX_")) add(NETWORK_LINUX, NETWORK_UDP);
  if (name.starts_with("UDP_")) {
    add(NETWORK_UDP, NETWORK_UDP6);
    add(NETWORK_UDP6, NETWORK_ROOM);
  }
  return places;
}

std::vector<std::uint16_t> plan_network(const KernelFacts& facts, const Wanted& wanted) {
  std::vector<std::uint16_t> counters;
  for (std::size_t figure = 0; figure < std::min<std::size_t>(wanted.network.size(), NETWORK_FIGURES); ++figure) {
    for (const std::uint32_t place : places_of_counter(facts, wanted.network[figure])) {
      if (counters.size() < NETWORK_COUNTERS) counters.push_back(static_cast<std::uint16_t>(figure << 8 | place));
    }
  }
  return counters;
}

}  // namespace

bool GuestPlan::complete() const {
  return std::all_of(requirements.begin(), requirements.end(),
                     [](const Requirement& requirement) { return requirement.found; });
}

std::vector<std::string> GuestPlan::missing_features() const {
  std::vector<std::string> names;
  for (const Requirement& requirement : requirements) {
    if (!requirement.found) names.push_back(requirement.name);
  }
  return names;
}

GuestPlan plan_without(const GuestPlan& plan, KernelRefusal refusal) {
  std::vector<KernelRefusal> refused = plan.refused;
  refused.push_back(std::move(refusal));
  return plan_guest(plan.facts, plan.wanted, std::move(refused));
}

GuestPlan plan_guest(const KernelFacts& facts, const Wanted& wanted, std::vector<KernelRefusal> refused) {
  const auto takes = [&](std::initializer_list<std::string_view> parts) {
    return std::none_of(refused.begin(), refused.end(), [&](const KernelRefusal& refusal) {
      return std::find(parts.begin(), parts.end(), without_form(refusal.part)) != parts.end();
    });
  };
  const bool base = facts.may_load && facts.btf;
  const bool cpus_fit = facts.possible_cpus <= MAX_CPUS;
  const bool map_iterators = takes({map_iterators_part});
  const bool cpu_in_v2 = base && facts.base_stat && !facts.cpuacct_v1 && !facts.unified_mount.empty();
  GuestPlan plan;
  plan.possible_cpus = facts.possible_cpus;
  plan.reads_directly = base && facts.direct_reads && takes({direct_reads_part});
  plan.requests_by_task = !map_iterators;
  plan.per_cpu = base && cpus_fit && takes({"learn_cpu_offset"});
  const bool walks_v1 = base && takes({"collect_cpu"});
  plan.unified = cpu_in_v2 && plan.per_cpu && takes({"collect_unified"});
  plan.cpu = plan.unified || (walks_v1 && plan.per_cpu && facts.cpuacct && facts.cpuacct_v1);
  const bool bandwidth_found = facts.bandwidth && (facts.cpu_v1 || cpu_in_v2);
  const bool pids_found = facts.pids && (facts.pids_v1 || cpu_in_v2);
  plan.bandwidth = facts.bandwidth && ((walks_v1 && facts.cpu_v1) || plan.unified);
  plan.walk_cpu = plan.bandwidth && facts.cpu_v1 && !(plan.cpu && facts.cpu_mount == facts.cpuacct_mount);
  plan.tasks = facts.pids && ((walks_v1 && facts.pids_v1) || plan.unified);
  plan.walk_pids = plan.tasks && facts.pids_v1 && !(plan.cpu && facts.pids_mount == facts.cpuacct_mount) &&
                   !(plan.walk_cpu && facts.pids_mount == facts.cpu_mount);
  const bool cpuset_found = facts.cpuset && (facts.cpuset_v1 || cpu_in_v2);
  plan.cpuset = facts.cpuset && cpus_fit && ((walks_v1 && facts.cpuset_v1) || plan.unified);
  plan.walk_cpuset = plan.cpuset && facts.cpuset_v1 && !(plan.cpu && facts.cpuset_mount == facts.cpuacct_mount) &&
                     !(plan.walk_cpu && facts.cpuset_mount == facts.cpu_mount) &&
                     !(plan.walk_pids && facts.cpuset_mount == facts.pids_mount);
  plan.tick_ns = facts.tick_ns;
  const bool memory_found = base && facts.memory && !facts.memory_mount.empty();
  plan.memory = memory_found && takes({"collect_memory"});
  plan.memory_stat = plan.memory && plan.per_cpu && facts.memory_stat && takes({"find_stats"});
  // Read by the program that reads memory (bpf/guest/io.bpf.h).
  plan.io = plan.memory && plan.per_cpu && counts_block_io(facts);
  plan.io_v1 = facts.io_v1;
  const bool hugetlb_found = facts.hugetlb && !facts.hugetlb_mount.empty();
  plan.hugetlb = plan.memory && hugetlb_found && takes({"find_huge_pages"});  // the same (bpf/guest/hugetlb.bpf.h)
  plan.hugetlb_v1 = facts.hugetlb_v1;
  const bool several_nodes = (facts.memory_nodes & (facts.memory_nodes - 1)) != 0;
  plan.memory_nodes = plan.memory && facts.numa && several_nodes ? facts.memory_nodes : 0;
  plan.stats_index = facts.stats_index;
  plan.events_index = facts.events_index;
  plan.resolves_stats = plan.memory_stat && facts.compact_stat && facts.events_index == 0 && takes({"copy_stats"});
  plan.unified_memory = !facts.memory_v1;
  if (plan.unified) {
    plan.tasks_hierarchy = WALK_UNIFIED;
  } else if (!plan.cpu) {
    plan.tasks_hierarchy = WALK_MEMORY;
  }
  // Told in the rows of the hierarchy in which tasks are.
  plan.pressure = cpu_in_v2 && plan.per_cpu && facts.pressure && facts.pressure_on && facts.tick_ns > 0 &&
                  takes({"collect_pressure"}) && (plan.unified || (plan.memory && plan.unified_memory));
  plan.tasks_walk = plan.works() && facts.task_iterator && takes({"walk_tasks"});
  if (plan.tasks_walk && plan.per_cpu) plan.network_counters = plan_network(facts, wanted);
  plan.open_files = wanted.open_files && plan.tasks_walk;
  plan.task_sums = wanted.schedstat && plan.tasks_walk && facts.sched_free && (facts.sched_info || facts.io_calls) &&
                   map_iterators && takes({"note_task_end", "walk_sched_sums"});
  plan.schedstat = plan.task_sums && facts.sched_info;
  plan.io_calls = plan.task_sums && facts.io_calls;
  plan.removals = base && facts.cgroup_rmdir && takes({"note_removal"});
  // Without removals entries of cgroups that are gone would fill the maps.
  plan.mkdir_times = plan.works() && facts.cgroup_mkdir && plan.removals && takes({"note_mkdir"});
  plan.stalls = plan.memory && plan.removals && facts.reclaim &&
                takes({"memcg_reclaim_begin", "memcg_reclaim_end", "direct_reclaim_begin", "direct_reclaim_end"});
  // Without removals the same. The walk over the hierarchy of tasks hands the counts over. A kernel function is called
  // where there is the JIT.
  const bool virtiofs_wanted = wanted.virtiofs != VirtiofsMode::off;
  plan.virtiofs = virtiofs_wanted && plan.works() && facts.fuse_requests && plan.removals && takes({"note_request"});
  const bool answers_wanted =
      wanted.virtiofs == VirtiofsMode::all || (wanted.virtiofs == VirtiofsMode::automatic && facts.direct_reads);
  plan.virtiofs_answers = plan.virtiofs && answers_wanted && takes({"note_answer"});
  plan.new_cpus = plan.per_cpu && facts.cpuhp_enter && facts.possible_cpus > 1 && takes({"learn_new_cpu"});
  plan.oom_events =
      memory_found && facts.mark_victim && facts.ring_buffer && takes({"note_victim", "note_victim_pid", "oom_wakeup"});
  plan.victim_by_pid = !facts.mark_victim_task;

  plan.requirements = {
      {"BPF programs", facts.may_load, "everything", loading_remedy(facts)},
      {"kernel BTF", facts.btf, "everything", "build the guest kernel with CONFIG_DEBUG_INFO_BTF"},
      {"CPU time of cgroups", cpu_in_v2 || (facts.cpuacct && facts.cpuacct_v1),
       "cpu_usage_ns, cpu_user_ns, cpu_system_ns",
       facts.cpuacct || facts.base_stat ? "mount cgroup v2, or the cpuacct hierarchy of v1, before guest-probe starts"
                                        : "build the guest kernel with CONFIG_CGROUP_CPUACCT"},
      {"cpu controller", bandwidth_found,
       "cfs_periods, cfs_throttled_*, cfs_burst_*, cpu_quota_us, cpu_period_us, cpu_shares, cpu_idle",
       facts.bandwidth ? "mount the cpu controller's hierarchy, of v2 with CPU time in it, before guest-probe starts"
                       : "build the guest kernel with CONFIG_CFS_BANDWIDTH"},
      {"pids controller", pids_found, "threads, threads_max",
       facts.pids ? "mount the pids controller's hierarchy, of v2 with CPU time in it, before guest-probe starts"
                  : "build the guest kernel with CONFIG_CGROUP_PIDS"},
      {"cpuset controller", cpuset_found, "cpuset_cpus",
       facts.cpuset ? "mount the cpuset controller's hierarchy, of v2 with CPU time in it, before guest-probe starts"
                    : "build the guest kernel with CONFIG_CPUSETS"},
      {"memory controller", facts.memory && !facts.memory_mount.empty(), "all memory figures and OOM events",
       facts.memory ? "mount the memory controller's hierarchy before guest-probe starts"
                    : "build the guest kernel with CONFIG_MEMCG"},
      {"memory statistics layout", facts.memory_stat, "all figures of memory.stat: memory_rss_bytes, page_faults ...",
       "use a kernel from 5.8 on, and report which one this is"},
      {"block I/O of cgroups", counts_block_io(facts), "block_devices: reads and writes by device",
       block_io_remedy(facts)},
      {"cgroup_rmdir tracepoint", facts.cgroup_rmdir, "the last values of removed containers",
       "build the guest kernel with CONFIG_FTRACE and CONFIG_DEBUG_INFO_BTF"},
      {"cpuhp_enter tracepoint", facts.cpuhp_enter || facts.possible_cpus == 1,
       "what is counted on CPUs that come online after guest-probe",
       "build the guest kernel with CONFIG_FTRACE and CONFIG_DEBUG_INFO_BTF"},
      {"cgroup_mkdir tracepoint", facts.cgroup_mkdir,
       "the exact start_boottime_ns; that of the oldest process is reported",
       "build the guest kernel with CONFIG_FTRACE and CONFIG_DEBUG_INFO_BTF"},
      {"task iterator", facts.task_iterator,
       "processes, what their threads do (threads_running ...), max_open_files, start_boottime_ns of containers older "
       "than guest-probe, the guest system's CPU time by owner, the pod's volumes",
       "use a kernel from 5.8 on"},
      {"mark_victim tracepoint", facts.mark_victim, "OOM events; oom_kills is still counted",
       "build the guest kernel with CONFIG_FTRACE and CONFIG_DEBUG_INFO_BTF"},
      {"oom_control layout", facts.oom_control, "the class of OOM events, and whose limit was hit",
       "report which kernel this is"},
      {"reclaim tracepoints", facts.reclaim, "memory_stalls, memory_stall_ns",
       "build the guest kernel with CONFIG_FTRACE and CONFIG_DEBUG_INFO_BTF"},
      {"BPF ring buffer", facts.ring_buffer, "OOM events; oom_kills is still counted", "use a kernel from 5.8 on"},
      {"CPU numbers below 512", cpus_fit,
       "cpu_usage_ns, cpu_user_ns, cpu_system_ns, cpuset_cpus, memory_rss_bytes, memory_cache_bytes, block_devices",
       "start the guest with fewer maximum vCPUs"},
  };
  if (wanted.schedstat) {
    const char* const refuses = "this kernel refuses BPF iterators over maps, which they take: report the kernel to us";
    plan.requirements.push_back(
        {"scheduler statistics", facts.sched_free && facts.sched_info && map_iterators,
         "what --schedstat asks for: sched_run_ns ...",
         map_iterators ? "build the guest kernel with CONFIG_SCHED_INFO (CONFIG_TASK_DELAY_ACCT or CONFIG_SCHEDSTATS)"
                       : refuses});
    plan.requirements.push_back({"task I/O accounting", facts.sched_free && facts.io_calls && map_iterators,
                                 "what --schedstat asks for: read_calls ...",
                                 map_iterators ? "build the guest kernel with CONFIG_TASK_XACCT" : refuses});
  }
  // Without huge pages there is nothing to count.
  if (facts.huge_pages) {
    plan.requirements.push_back({"hugetlb controller", hugetlb_found, "the figures of huge pages: hugetlb_*",
                                 facts.hugetlb ? "mount the hugetlb controller's hierarchy before guest-probe starts"
                                               : "build the guest kernel with CONFIG_CGROUP_HUGETLB"});
  }
  // Nothing is lost with cgroup v1, which never counted it.
  if (cpu_in_v2) {
    plan.requirements.push_back({"pressure stall information", facts.pressure && facts.pressure_on && facts.tick_ns > 0,
                                 "the pressure figures: cpu_waiting_ns ...",
                                 facts.pressure ? "start the guest with psi=1 on its kernel's command line"
                                                : "build the guest kernel with CONFIG_PSI"});
  }
  // Of what BTF would show nothing is known without it; the first two lines say what to do.
  if (!facts.btf) plan.requirements.erase(plan.requirements.begin() + 2, plan.requirements.end());
  for (const KernelRefusal& refusal : refused) {
    if (impact_without(refusal.part) != "") plan.requirements.push_back(refused_part(refusal));
  }
  plan.facts = facts;
  plan.wanted = wanted;
  plan.refused = std::move(refused);
  return plan;
}

namespace {

struct Part {
  std::string_view name;
  std::string_view impact;
};

constexpr std::array parts{
    Part{"learn_cpu_offset",
         "what is counted per CPU: cpu_usage_ns, memory_rss_bytes, memory_cache_bytes, block_devices, pressure; in "
         "cgroup v2 also cfs_* and threads"},
    Part{"learn_new_cpu", "what is counted on CPUs that come online after guest-probe"},
    Part{"collect_cpu",
         "cpu_usage_ns, cpu_user_ns, cpu_system_ns, cfs_*, cpu_quota_us, cpu_shares, threads, cpuset_cpus"},
    Part{"collect_unified",
         "cpu_usage_ns, cpu_user_ns, cpu_system_ns, cfs_*, cpu_quota_us, cpu_shares, threads, cpuset_cpus"},
    Part{"collect_memory", "all memory figures, memory_stalls, oom_kills, block_devices, hugetlb_*"},
    Part{"collect_pressure", "the pressure figures: cpu_waiting_ns ..."},
    Part{"find_stats", "all figures of memory.stat: memory_rss_bytes, page_faults ..."},
    Part{"find_huge_pages", "the figures of huge pages: hugetlb_*"},
    Part{"copy_stats", "the figures of memory.stat whose place the kernel does not show"},
    Part{"note_removal", "the last values of removed containers, the exact start_boottime_ns, memory_stalls"},
    Part{"note_mkdir", "the exact start_boottime_ns; that of the oldest process is reported"},
    Part{
        "walk_tasks",
        "processes, what their threads do (threads_running ...), max_open_files, start_boottime_ns of containers older "
        "than guest-probe, the guest system's CPU time by owner, the pod's volumes, what --schedstat "
        "and --open-files ask for"},
    Part{"note_task_end", "what --schedstat asks for: sched_run_ns ..., read_calls ..."},
    Part{"walk_sched_sums", "what --schedstat asks for: sched_run_ns ..., read_calls ..."},
    Part{"note_request", "all figures of virtiofs: virtiofs_reads ..."},
    Part{"note_answer", "virtiofs_*_ns, virtiofs_*_errors, virtiofs_in_flight, virtiofs_up_to_*, virtiofs_over_1s"},
    Part{"note_victim", "OOM events; oom_kills is still counted"},
    Part{"note_victim_pid", "OOM events; oom_kills is still counted"},
    Part{"oom_wakeup", "OOM events; oom_kills is still counted"},
    Part{"memcg_reclaim_begin", "memory_stalls, memory_stall_ns"},
    Part{"memcg_reclaim_end", "memory_stalls, memory_stall_ns"},
    Part{"direct_reclaim_begin", "memory_stalls, memory_stall_ns"},
    Part{"direct_reclaim_end", "memory_stalls, memory_stall_ns"},
    Part{direct_reads_part, ""},
    Part{map_iterators_part, ""},
};

}  // namespace

std::string_view without_form(std::string_view program) {
  if (program.ends_with(task_form)) program.remove_suffix(task_form.size());
  return program;
}

std::optional<std::string_view> impact_without(std::string_view part) {
  for (const Part& known : parts) {
    if (known.name == without_form(part)) return known.impact;
  }
  return std::nullopt;
}

}  // namespace katameter::guest
