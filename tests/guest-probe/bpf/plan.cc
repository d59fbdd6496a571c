#include "guest-probe/bpf/plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>

using namespace katameter;
using namespace katameter::guest;

namespace {

KernelFacts everything() {
  KernelFacts facts;
  facts.btf = facts.may_load = facts.ring_buffer = true;
  facts.cpuacct = facts.memory = facts.memory_stat = true;
  facts.bandwidth = facts.pids = facts.cpuset = true;
  facts.cpu_v1 = facts.pids_v1 = facts.cpuset_v1 = true;
  facts.cpu_mount = "/sys/fs/cgroup/cpuacct";
  facts.pids_mount = "/sys/fs/cgroup/pids";
  facts.cpuset_mount = "/sys/fs/cgroup/cpuset";
  facts.cgroup_rmdir = facts.mark_victim = facts.mark_victim_task = facts.cpuhp_enter = true;
  facts.cgroup_mkdir = facts.task_iterator = facts.sched_free = facts.sched_info = facts.io_calls = true;
  facts.oom_control = facts.reclaim = facts.fuse_requests = true;
  facts.cpuacct_v1 = facts.memory_v1 = true;
  facts.cpuacct_mount = "/sys/fs/cgroup/cpuacct";
  facts.memory_mount = "/sys/fs/cgroup/memory";
  facts.block_io = facts.io_v1 = true;
  facts.io_mount = "/sys/fs/cgroup/blkio";
  facts.possible_cpus = 2;
  return facts;
}

// The plan without one fact; what is missing has to be named.
GuestPlan without(void (*take_away)(KernelFacts&)) {
  KernelFacts facts = everything();
  take_away(facts);
  GuestPlan plan = plan_guest(facts);
  CHECK_FALSE(plan.complete());
  CHECK_FALSE(plan.missing_features().empty());
  return plan;
}

}  // namespace

TEST_CASE("With everything there, everything is planned") {
  const GuestPlan plan = plan_guest(everything());
  CHECK(plan.complete());
  CHECK(plan.missing_features().empty());
  CHECK((plan.cpu && plan.memory && plan.memory_stat && plan.removals && plan.oom_events && plan.stalls));
}

TEST_CASE("Without BTF or the right to load nothing works") {
  CHECK_FALSE(without([](KernelFacts& facts) { facts.btf = false; }).works());
  CHECK_FALSE(without([](KernelFacts& facts) { facts.may_load = false; }).works());
}

TEST_CASE("Without BTF nothing else is reported as missing, because it is not known") {
  KernelFacts facts;
  facts.load_errno = EINVAL;
  CHECK(plan_guest(facts).missing_features() == std::vector<std::string>{"BPF programs", "kernel BTF"});
  facts.may_load = true;
  CHECK(plan_guest(facts).missing_features() == std::vector<std::string>{"kernel BTF"});
}

TEST_CASE("What to do about loading depends on why it failed") {
  KernelFacts facts = everything();
  facts.may_load = false;
  facts.load_errno = EPERM;
  CHECK(plan_guest(facts).requirements.front().remedy.find("CAP_BPF") != std::string::npos);
  facts.load_errno = EINVAL;
  CHECK(plan_guest(facts).requirements.front().remedy.find("CONFIG_BPF_EVENTS") != std::string::npos);
}

TEST_CASE("A kernel that is locked down is reported as such") {
  KernelFacts facts = everything();
  facts.may_load = false;
  facts.load_errno = EINVAL;
  facts.locked_down = true;
  const GuestPlan plan = plan_guest(facts);
  CHECK_FALSE(plan.works());
  CHECK(plan.requirements.front().remedy.find("lockdown=confidentiality") != std::string::npos);
}

TEST_CASE("Each missing thing costs what stands on it and no more") {
  const GuestPlan no_cpuacct = without([](KernelFacts& facts) { facts.cpuacct_v1 = false; });
  CHECK((!no_cpuacct.cpu && no_cpuacct.memory && no_cpuacct.memory_stat && no_cpuacct.oom_events));

  const GuestPlan no_memory = without([](KernelFacts& facts) { facts.memory = false; });
  CHECK((no_memory.cpu && !no_memory.memory && !no_memory.memory_stat && !no_memory.oom_events));

  const GuestPlan no_stat = without([](KernelFacts& facts) { facts.memory_stat = false; });
  CHECK((no_stat.cpu && no_stat.memory && !no_stat.memory_stat && no_stat.oom_events));

  const GuestPlan no_rmdir = without([](KernelFacts& facts) { facts.cgroup_rmdir = false; });
  CHECK((no_rmdir.cpu && no_rmdir.memory && !no_rmdir.removals && no_rmdir.oom_events && !no_rmdir.stalls));

  CHECK_FALSE(no_rmdir.mkdir_times);

  const GuestPlan no_mkdir = without([](KernelFacts& facts) { facts.cgroup_mkdir = false; });
  CHECK((!no_mkdir.mkdir_times && no_mkdir.tasks_walk && no_mkdir.removals));

  const GuestPlan no_iterator = without([](KernelFacts& facts) { facts.task_iterator = false; });
  CHECK((no_iterator.mkdir_times && !no_iterator.tasks_walk));

  const GuestPlan no_victim = without([](KernelFacts& facts) { facts.mark_victim = false; });
  CHECK((no_victim.memory && !no_victim.oom_events));

  const GuestPlan no_reclaim = without([](KernelFacts& facts) { facts.reclaim = false; });
  CHECK((no_reclaim.memory && no_reclaim.memory_stat && no_reclaim.removals && !no_reclaim.stalls));

  const GuestPlan no_class = without([](KernelFacts& facts) { facts.oom_control = false; });
  CHECK((no_class.oom_events && no_class.missing_features() == std::vector<std::string>{"oom_control layout"}));

  const GuestPlan many_cpus = without([](KernelFacts& facts) { facts.possible_cpus = 513; });
  CHECK((!many_cpus.cpu && many_cpus.memory && !many_cpus.memory_stat));
}

TEST_CASE("A controller that is mounted with another needs no walk of its own") {
  KernelFacts facts = everything();
  const GuestPlan together = plan_guest(facts);
  CHECK((together.bandwidth && !together.walk_cpu && together.tasks && together.walk_pids));

  facts.cpu_mount = "/sys/fs/cgroup/cpu";
  CHECK(plan_guest(facts).walk_cpu);

  facts.pids_mount = facts.cpu_mount;
  CHECK_FALSE(plan_guest(facts).walk_pids);
  CHECK((plan_guest(facts).cpuset && plan_guest(facts).walk_cpuset));

  facts.cpuset_mount = facts.cpu_mount;
  CHECK((plan_guest(facts).cpuset && !plan_guest(facts).walk_cpuset));
}

TEST_CASE("A cpu, pids or cpuset controller that is missing or not of cgroup v1 costs its own figures only") {
  for (auto take_away :
       {+[](KernelFacts& facts) { facts.bandwidth = false; }, +[](KernelFacts& facts) { facts.cpu_v1 = false; }}) {
    const GuestPlan plan = without(take_away);
    CHECK((plan.cpu && !plan.bandwidth && !plan.walk_cpu && plan.tasks));
    CHECK(plan.missing_features() == std::vector<std::string>{"cpu controller"});
  }
  for (auto take_away :
       {+[](KernelFacts& facts) { facts.pids = false; }, +[](KernelFacts& facts) { facts.pids_v1 = false; }}) {
    const GuestPlan plan = without(take_away);
    CHECK((plan.cpu && plan.bandwidth && !plan.tasks && !plan.walk_pids));
    CHECK(plan.missing_features() == std::vector<std::string>{"pids controller"});
  }
  for (auto take_away :
       {+[](KernelFacts& facts) { facts.cpuset = false; }, +[](KernelFacts& facts) { facts.cpuset_v1 = false; }}) {
    const GuestPlan plan = without(take_away);
    CHECK((plan.cpu && plan.bandwidth && plan.tasks && !plan.cpuset && !plan.walk_cpuset));
    CHECK(plan.missing_features() == std::vector<std::string>{"cpuset controller"});
  }
}

TEST_CASE("Without cgroup v1's cpuacct the CPU figures come from v2") {
  KernelFacts facts = everything();
  facts.cpuacct_v1 = facts.cpu_v1 = facts.pids_v1 = facts.cpuset_v1 = facts.memory_v1 = false;
  facts.base_stat = true;
  facts.unified_mount = facts.cpuacct_mount = facts.cpu_mount = facts.pids_mount = "/sys/fs/cgroup";
  const GuestPlan plan = plan_guest(facts);
  CHECK_FALSE(plan.pressure);
  CHECK_FALSE(plan.complete());
  const auto remedy = [&facts] {
    const std::vector<Requirement> requirements = plan_guest(facts).requirements;
    return std::find_if(requirements.begin(), requirements.end(),
                        [](const Requirement& need) { return need.name.starts_with("pressure"); })
        ->remedy;
  };
  CHECK(remedy().find("CONFIG_PSI") != std::string::npos);
  facts.pressure = true;
  facts.tick_ns = 4'000'000;
  CHECK_FALSE(plan_guest(facts).pressure);
  CHECK(remedy().find("psi=1") != std::string::npos);
  facts.pressure_on = true;
  CHECK(plan_guest(facts).pressure);
  CHECK(plan_guest(facts).complete());
  CHECK((plan.unified && plan.cpu && plan.bandwidth && plan.tasks && !plan.walk_cpu && !plan.walk_pids));
  CHECK((plan.cpuset && !plan.walk_cpuset));

  facts.unified_mount.clear();
  CHECK_FALSE(plan_guest(facts).cpu);
}

TEST_CASE("Where v1's cpuacct is mounted, a v2 tree beside it is not read") {
  KernelFacts facts = everything();
  facts.base_stat = true;
  facts.unified_mount = "/sys/fs/cgroup/unified";
  const GuestPlan plan = plan_guest(facts);
  CHECK((plan.cpu && !plan.unified));
}

TEST_CASE("Block I/O is read in the hierarchy that has the controller, if the kernel counts there") {
  KernelFacts facts = everything();
  CHECK((plan_guest(facts).io && plan_guest(facts).io_v1));

  facts.block_io_v2_only = true;
  const GuestPlan uncounted = plan_guest(facts);
  CHECK_FALSE(uncounted.io);
  CHECK(uncounted.missing_features() == std::vector<std::string>{"block I/O of cgroups"});

  facts.io_v1 = false;
  facts.io_mount = "/sys/fs/cgroup";
  CHECK((plan_guest(facts).io && !plan_guest(facts).io_v1 && plan_guest(facts).complete()));

  facts.io_mount.clear();
  CHECK_FALSE(plan_guest(facts).io);
  CHECK_FALSE(without([](KernelFacts& given) { given.block_io = false; }).io);
  CHECK_FALSE(without([](KernelFacts& given) { given.memory = false; }).io);
}

TEST_CASE("Tasks are looked up in the hierarchy that has the containers' CPU time, else in that of memory") {
  KernelFacts facts = everything();
  CHECK(plan_guest(facts).tasks_hierarchy == WALK_CPUACCT);
  facts.cpuacct_v1 = false;
  CHECK(plan_guest(facts).tasks_hierarchy == WALK_MEMORY);
  facts.base_stat = true;
  facts.unified_mount = "/sys/fs/cgroup";
  CHECK(plan_guest(facts).tasks_hierarchy == WALK_UNIFIED);
}

TEST_CASE("A mark_victim that gives a pid is as good as one that gives the task") {
  KernelFacts facts = everything();
  CHECK_FALSE(plan_guest(facts).victim_by_pid);
  facts.mark_victim_task = false;
  const GuestPlan plan = plan_guest(facts);
  CHECK((plan.complete() && plan.oom_events && plan.victim_by_pid));
}

TEST_CASE("Statistics are read in cgroup v2 as well, which keeps some of them elsewhere") {
  KernelFacts facts = everything();
  CHECK_FALSE(plan_guest(facts).unified_memory);
  facts.memory_v1 = false;
  facts.memory_mount = "/sys/fs/cgroup";
  const GuestPlan plan = plan_guest(facts);
  CHECK((plan.memory && plan.memory_stat && plan.unified_memory));
}

TEST_CASE("Where a table may be and cannot be seen, indices are resolved from files") {
  KernelFacts facts = everything();
  CHECK_FALSE(plan_guest(facts).resolves_stats);
  facts.compact_stat = true;
  CHECK(plan_guest(facts).resolves_stats);
  facts.events_index = 4096;
  CHECK_FALSE(plan_guest(facts).resolves_stats);
}

TEST_CASE("CPUs that come later need a tracepoint, unless there can be none") {
  CHECK(plan_guest(everything()).new_cpus);
  CHECK_FALSE(without([](KernelFacts& facts) { facts.cpuhp_enter = false; }).new_cpus);
  KernelFacts one = everything();
  one.cpuhp_enter = false;
  one.possible_cpus = 1;
  CHECK(plan_guest(one).complete());
}

TEST_CASE("Memory is read without calls where the kernel lets a program") {
  KernelFacts facts = everything();
  CHECK_FALSE(plan_guest(facts).reads_directly);
  facts.direct_reads = true;
  CHECK(plan_guest(facts).reads_directly);
  CHECK(plan_guest(facts).complete());
}

namespace {

GuestPlan plan_virtiofs(VirtiofsMode mode, bool jit = true) {
  KernelFacts facts = everything();
  facts.direct_reads = jit;
  return plan_guest(facts, {.virtiofs = mode});
}

}  // namespace

TEST_CASE("How much of virtiofs is counted is for the JIT and the option to say") {
  CHECK(plan_virtiofs(VirtiofsMode::automatic).virtiofs_answers);
  CHECK(plan_virtiofs(VirtiofsMode::all, false).virtiofs_answers);
  for (const GuestPlan& counts : {plan_virtiofs(VirtiofsMode::automatic, false), plan_virtiofs(VirtiofsMode::counts)}) {
    CHECK((counts.virtiofs && !counts.virtiofs_answers));
    CHECK(counts.complete());
  }
  const GuestPlan off = plan_virtiofs(VirtiofsMode::off);
  CHECK((!off.virtiofs && !off.virtiofs_answers && off.complete()));
  KernelFacts old = everything();
  old.fuse_requests = false;
  const GuestPlan without_tracepoints = plan_guest(old, {.virtiofs = VirtiofsMode::all});
  CHECK((!without_tracepoints.virtiofs && without_tracepoints.complete()));
}

TEST_CASE("A refused program of virtiofs costs what it counts") {
  KernelFacts facts = everything();
  facts.direct_reads = true;
  const auto refuse = [&](const char* program) {
    return plan_without(plan_guest(facts), {program, KernelRefusal::Step::load, EINVAL, {}});
  };
  const GuestPlan no_answers = refuse("note_answer");
  CHECK((no_answers.virtiofs && !no_answers.virtiofs_answers));
  CHECK(no_answers.missing_features() == std::vector<std::string>{"program note_answer"});
  const GuestPlan nothing = refuse("note_request");
  CHECK((!nothing.virtiofs && !nothing.virtiofs_answers));
  // What a removed container has counted could not be given up.
  CHECK_FALSE(refuse("note_removal").virtiofs);
}

namespace {

GuestPlan refusing(const KernelFacts& facts, const std::string& part) {
  return plan_without(plan_guest(facts, {.schedstat = true}), {part, KernelRefusal::Step::load, EINVAL, {"R1 is bad"}});
}

KernelFacts everything_v2() {
  KernelFacts facts = everything();
  facts.cpuacct_v1 = facts.cpu_v1 = facts.pids_v1 = facts.cpuset_v1 = facts.memory_v1 = facts.io_v1 = false;
  facts.base_stat = facts.pressure = facts.pressure_on = true;
  facts.tick_ns = 4'000'000;
  facts.unified_mount = facts.cpuacct_mount = facts.cpu_mount = facts.pids_mount = "/sys/fs/cgroup";
  facts.memory_mount = facts.io_mount = "/sys/fs/cgroup";
  return facts;
}

}  // namespace

TEST_CASE("Memory by NUMA node is read where there is more than one") {
  KernelFacts facts = everything();
  facts.numa = true;
  CHECK(plan_guest(facts).memory_nodes == 0);
  facts.memory_nodes = 0b10;
  CHECK(plan_guest(facts).memory_nodes == 0);
  facts.memory_nodes = 0b101;
  CHECK(plan_guest(facts).memory_nodes == 0b101);
  facts.numa = false;
  CHECK(plan_guest(facts).memory_nodes == 0);
  CHECK(plan_guest(facts).complete());
}

TEST_CASE("Open files are counted on request") {
  CHECK_FALSE(plan_guest(everything()).open_files);
  CHECK(plan_guest(everything(), {.open_files = true}).open_files);
}

TEST_CASE("Of what tasks count, that is summed up which the kernel counts") {
  KernelFacts facts = everything();
  const GuestPlan both = plan_guest(facts, {.schedstat = true});
  CHECK((both.task_sums && both.schedstat && both.io_calls && both.complete()));
  CHECK_FALSE(plan_guest(facts).task_sums);
  facts.sched_info = false;
  const GuestPlan io = plan_guest(facts, {.schedstat = true});
  CHECK((io.task_sums && !io.schedstat && io.io_calls));
  CHECK(io.missing_features() == std::vector<std::string>{"scheduler statistics"});
  facts.io_calls = false;
  CHECK_FALSE(plan_guest(facts, {.schedstat = true}).task_sums);
  facts.sched_info = true;
  const GuestPlan sched = plan_guest(facts, {.schedstat = true});
  CHECK((sched.task_sums && sched.schedstat && !sched.io_calls));
  CHECK(sched.missing_features() == std::vector<std::string>{"task I/O accounting"});
}

TEST_CASE("What the kernel refuses costs what depends on it, and is reported with the kernel's words") {
  const GuestPlan plan = refusing(everything(), "note_mkdir");
  CHECK((!plan.mkdir_times && plan.removals && plan.cpu && plan.memory && plan.tasks_walk && plan.schedstat));
  CHECK(plan.missing_features() == std::vector<std::string>{"program note_mkdir"});
  const Requirement& need = plan.requirements.back();
  CHECK(need.impact.find("start_boottime_ns") != std::string::npos);
  CHECK(need.log == std::vector<std::string>{"loading note_mkdir: Invalid argument", "R1 is bad"});

  const GuestPlan two = plan_without(plan, {"oom_wakeup", KernelRefusal::Step::create, ENOMEM, {}});
  CHECK((!two.mkdir_times && !two.oom_events && two.removals));
  CHECK(two.missing_features() == std::vector<std::string>{"program note_mkdir", "map oom_wakeup"});
}

TEST_CASE("CPU, memory and names are walked apart") {
  const GuestPlan no_cpu = refusing(everything(), "collect_cpu");
  CHECK((!no_cpu.cpu && !no_cpu.bandwidth && !no_cpu.tasks && !no_cpu.walk_cpu && !no_cpu.walk_pids));
  CHECK((no_cpu.memory && no_cpu.memory_stat && no_cpu.io && no_cpu.stalls && no_cpu.tasks_walk && no_cpu.mkdir_times));
  CHECK(no_cpu.tasks_hierarchy == WALK_MEMORY);

  const GuestPlan no_memory = refusing(everything(), "collect_memory");
  CHECK((!no_memory.memory && !no_memory.memory_stat && !no_memory.io && !no_memory.stalls));
  CHECK((no_memory.cpu && no_memory.bandwidth && no_memory.tasks && no_memory.oom_events && no_memory.removals));

  const GuestPlan no_unified = refusing(everything_v2(), "collect_unified");
  CHECK((!no_unified.unified && !no_unified.cpu && no_unified.memory && no_unified.pressure && no_unified.io));
  CHECK(no_unified.tasks_hierarchy == WALK_MEMORY);
}

TEST_CASE("Without the per-CPU variables what the kernel keeps in one place is there") {
  const GuestPlan v1 = refusing(everything(), "learn_cpu_offset");
  CHECK((!v1.per_cpu && !v1.cpu && !v1.memory_stat && !v1.io && v1.memory && v1.bandwidth && v1.tasks && v1.walk_cpu));
  const GuestPlan v2 = refusing(everything_v2(), "learn_cpu_offset");
  CHECK((!v2.unified && !v2.pressure && v2.memory && !v2.memory_stat));
}

TEST_CASE("What removals need goes with them") {
  const GuestPlan plan = refusing(everything(), "note_removal");
  CHECK((!plan.removals && !plan.mkdir_times && !plan.stalls && plan.cpu && plan.memory && plan.oom_events));
}

TEST_CASE("Another form of the same programs loses nothing, but for what has no other") {
  const GuestPlan calls = refusing(everything(), std::string(direct_reads_part));
  CHECK((!calls.reads_directly && calls.complete()));
  KernelFacts facts = everything();
  facts.direct_reads = true;
  CHECK_FALSE(refusing(facts, std::string(direct_reads_part)).reads_directly);

  const GuestPlan by_task = refusing(facts, std::string(map_iterators_part));
  CHECK((by_task.requests_by_task && by_task.reads_directly && by_task.cpu && by_task.memory && !by_task.schedstat));
  CHECK(by_task.missing_features() == (std::vector<std::string>{"scheduler statistics", "task I/O accounting"}));
  // One by one from then on.
  const GuestPlan less = plan_without(by_task, {"collect_pressure_by_task", KernelRefusal::Step::load, EINVAL, {}});
  CHECK((less.requests_by_task && less.missing_features().back() == "program collect_pressure"));
}

TEST_CASE("Huge pages are missed only where there can be some") {
  KernelFacts facts = everything();
  CHECK_FALSE(plan_guest(facts).hugetlb);
  CHECK(plan_guest(facts).complete());
  facts.huge_pages = true;
  CHECK(plan_guest(facts).missing_features() == std::vector<std::string>{"hugetlb controller"});
  facts.hugetlb = facts.hugetlb_v1 = true;
  facts.hugetlb_mount = "/sys/fs/cgroup/hugetlb";
  CHECK(plan_guest(facts).complete());
  CHECK((plan_guest(facts).hugetlb && plan_guest(facts).hugetlb_v1));
  CHECK_FALSE(plan_guest(facts, {}, {{"find_huge_pages", KernelRefusal::Step::load, EINVAL, {}}}).hugetlb);
}

TEST_CASE("Counters of the network are read where this kernel has them; UDP's of IPv4 and IPv6") {
  KernelFacts facts = everything();
  facts.network_counters = {
      {"TCP_MIB_RETRANSSEGS", 12}, {"LINUX_MIB_LISTENDROPS", 24}, {"UDP_MIB_NOPORTS", 2}, {"UDP_MIB_LARGE", 16}};
  Wanted wanted;
  wanted.network = {"TCP_MIB_RETRANSSEGS", "TCP_MIB_UNKNOWN", "UDP_MIB_NOPORTS", "LINUX_MIB_LISTENDROPS",
                    "UDP_MIB_LARGE"};
  CHECK(plan_guest(facts, wanted).network_counters ==
        std::vector<std::uint16_t>{0 << 8 | (NETWORK_TCP + 12), 2 << 8 | (NETWORK_UDP + 2), 2 << 8 | (NETWORK_UDP6 + 2),
                                   3 << 8 | (NETWORK_LINUX + 24)});
  facts.task_iterator = false;
  CHECK(plan_guest(facts, wanted).network_counters.empty());
}
