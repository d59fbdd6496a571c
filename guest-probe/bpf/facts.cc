#include "guest-probe/bpf/facts.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/cgroup_mounts.h"
#include "guest-probe/bpf/refusals.h"
#include "userspace/bpf/load.h"
#include "userspace/fd.h"

namespace katameter::guest {
namespace {

constexpr int numbers = 65536;

// Takes a CPU number off the front of the text; -1 if there is none.
int take_number(std::string_view& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number >= numbers) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

const btf_type* find(const btf& types, const char* name, unsigned kind) {
  const int id = btf__find_by_name_kind(&types, name, kind);
  return id < 0 ? nullptr : btf__type_by_id(&types, static_cast<unsigned>(id));
}

bool has_enum_value(const btf& types, const char* type, const char* value) {
  const btf_type* found = find(types, type, BTF_KIND_ENUM);
  if (found == nullptr) return false;
  const struct btf_enum* values = btf_enum(found);
  for (int i = 0; i < btf_vlen(found); ++i) {
    if (std::strcmp(btf__name_by_offset(&types, values[i].name_off), value) == 0) return true;
  }
  return false;
}

const btf_type* member_type(const btf& types, const char* structure, const char* member) {
  const btf_type* found = find(types, structure, BTF_KIND_STRUCT);
  if (found == nullptr) return nullptr;
  const struct btf_member* members = btf_members(found);
  for (int i = 0; i < btf_vlen(found); ++i) {
    if (std::strcmp(btf__name_by_offset(&types, members[i].name_off), member) == 0) {
      return btf__type_by_id(&types, members[i].type);
    }
  }
  return nullptr;
}

// A tracepoint's arguments are those of the function type behind `typedef btf_trace_NAME`, less the first.
const btf_type* first_tracepoint_argument(const btf& types, const char* tracepoint) {
  const btf_type* type = find(types, tracepoint, BTF_KIND_TYPEDEF);
  if (type == nullptr) return nullptr;
  type = btf__type_by_id(&types, type->type);
  if (type == nullptr || !btf_is_ptr(type)) return nullptr;
  type = btf__type_by_id(&types, type->type);
  if (type == nullptr || !btf_is_func_proto(type) || btf_vlen(type) < 2) return nullptr;
  return btf__type_by_id(&types, btf_params(type)[1].type);
}

bool has_tracepoint(const btf& types, const char* name) {
  return find(types, (std::string("btf_trace_") + name).c_str(), BTF_KIND_TYPEDEF) != nullptr;
}

// Their enumerations have no names, so each that has none is looked at.
void find_network_counters(const btf& types, KernelFacts& facts) {
  const auto is_counter = [](std::string_view name) {
    return name.starts_with("TCP_MIB_") || name.starts_with("LINUX_MIB_") || name.starts_with("UDP_MIB_");
  };
  const unsigned count = btf__type_cnt(&types);
  for (unsigned id = 1; id < count; ++id) {
    const btf_type* type = btf__type_by_id(&types, id);
    if (!btf_is_enum(type) || type->name_off != 0 || btf_vlen(type) == 0) continue;
    const struct btf_enum* values = btf_enum(type);
    if (!is_counter(btf__name_by_offset(&types, values[0].name_off))) continue;
    for (int i = 0; i < btf_vlen(type); ++i) {
      facts.network_counters.emplace(btf__name_by_offset(&types, values[i].name_off),
                                     static_cast<std::uint32_t>(values[i].val));
    }
  }
}

void read_types(KernelFacts& facts) {
  const KernelTypes types = read_kernel_types();
  if (types == nullptr) return;
  facts.btf = true;
  facts.direct_reads = kernel_reads_directly(*types);
  find_network_counters(*types, facts);
  facts.cpuacct = find(*types, "cpuacct", BTF_KIND_STRUCT) != nullptr &&
                  has_enum_value(*types, "cgroup_subsys_id", "cpuacct_cgrp_id");
  facts.memory = find(*types, "mem_cgroup", BTF_KIND_STRUCT) != nullptr &&
                 has_enum_value(*types, "cgroup_subsys_id", "memory_cgrp_id");
  facts.base_stat = member_type(*types, "cgroup", "bstat") != nullptr;
  facts.bandwidth = member_type(*types, "task_group", "cfs_bandwidth") != nullptr &&
                    has_enum_value(*types, "cgroup_subsys_id", "cpu_cgrp_id");
  facts.pids = member_type(*types, "pids_cgroup", "counter") != nullptr &&
               has_enum_value(*types, "cgroup_subsys_id", "pids_cgrp_id");
  facts.cpuset = member_type(*types, "cpuset", "effective_cpus") != nullptr &&
                 has_enum_value(*types, "cgroup_subsys_id", "cpuset_cgrp_id");
  const btf_type* vmstats = member_type(*types, "mem_cgroup", "vmstats");
  const bool in_struct = vmstats != nullptr && btf_is_array(vmstats);
  const bool flushed = vmstats != nullptr && member_type(*types, "memcg_vmstats", "state_pending") != nullptr &&
                       member_type(*types, "memcg_vmstats_percpu", "state_prev") != nullptr;
  facts.memory_stat = in_struct || flushed;
  facts.compact_stat = flushed;
  facts.block_io = member_type(*types, "blkcg_gq", "iostat_cpu") != nullptr &&
                   member_type(*types, "blkg_iostat_set", "last") != nullptr &&
                   has_enum_value(*types, "cgroup_subsys_id", "io_cgrp_id");
  facts.block_io_v2_only = member_type(*types, "blkg_iostat_set", "lnode") != nullptr;
  facts.hugetlb = member_type(*types, "hugetlb_cgroup", "hugepage") != nullptr &&
                  has_enum_value(*types, "cgroup_subsys_id", "hugetlb_cgrp_id");
  facts.numa = member_type(*types, "mem_cgroup_per_node", "lru_zone_size") != nullptr;
  facts.pressure = member_type(*types, "psi_group", "total") != nullptr &&
                   member_type(*types, "psi_group_cpu", "times_prev") != nullptr &&
                   member_type(*types, "cgroup", "psi") != nullptr;
  facts.cgroup_rmdir = first_tracepoint_argument(*types, "btf_trace_cgroup_rmdir") != nullptr;
  facts.cpuhp_enter = first_tracepoint_argument(*types, "btf_trace_cpuhp_enter") != nullptr;
  facts.cgroup_mkdir = first_tracepoint_argument(*types, "btf_trace_cgroup_mkdir") != nullptr;
  facts.sched_free = first_tracepoint_argument(*types, "btf_trace_sched_process_free") != nullptr;
  facts.sched_info = member_type(*types, "sched_info", "run_delay") != nullptr;
  facts.io_calls = member_type(*types, "task_io_accounting", "rchar") != nullptr;
  facts.task_iterator = find(*types, "bpf_iter_task", BTF_KIND_FUNC) != nullptr;
  const btf_type* victim = first_tracepoint_argument(*types, "btf_trace_mark_victim");
  facts.mark_victim = victim != nullptr;
  facts.mark_victim_task = victim != nullptr && btf_is_ptr(victim);
  facts.reclaim = has_tracepoint(*types, "mm_vmscan_memcg_reclaim_begin") &&
                  has_tracepoint(*types, "mm_vmscan_memcg_reclaim_end") &&
                  has_tracepoint(*types, "mm_vmscan_direct_reclaim_begin") &&
                  has_tracepoint(*types, "mm_vmscan_direct_reclaim_end");
  facts.fuse_requests = has_tracepoint(*types, "fuse_request_send") && has_tracepoint(*types, "fuse_request_end") &&
                        member_type(*types, "fuse_iqueue", "priv") != nullptr;
  facts.oom_control = member_type(*types, "oom_control", "memcg") != nullptr &&
                      member_type(*types, "oom_control", "chosen") != nullptr &&
                      member_type(*types, "oom_control", "constraint") != nullptr;
}

void try_loading(KernelFacts& facts) {
  const std::array end{instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
                       instruction(BPF_JMP | BPF_EXIT, 0, 0, 0)};
  // bpf_probe_read_kernel(stack - 8, 8, 0)
  const std::array reading{instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0),
                           instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, -8),
                           instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 8),
                           instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0),
                           instruction(BPF_JMP | BPF_CALL, 0, 0, BPF_FUNC_probe_read_kernel),
                           end[0],
                           end[1]};
  facts.may_load = loads(reading);
  if (!facts.may_load) {
    facts.load_errno = errno;
    // bpf_tracing_func_proto(), LOCKDOWN_BPF_READ: there is no such helper then.
    facts.locked_down = facts.load_errno == EINVAL && loads(end);
  }
  const Fd ring(
      bpf_map_create(BPF_MAP_TYPE_RINGBUF, "katameter_try", 0, 0, static_cast<unsigned>(getpagesize()), nullptr));
  facts.ring_buffer = static_cast<bool>(ring);
}

// The address of a symbol as bpf_kallsyms_lookup_name() has it (5.16): 0 if there is none, or it may not be seen, which
// is for whom /proc/kallsyms does not show it either. Nothing where no program may ask.
std::optional<std::uint64_t> look_up_symbol(std::string_view name) {
  const auto at = [](bpf_insn made, int offset) {
    made.off = static_cast<__s16>(offset);
    return made;
  };
  // On the stack: the address, and below it the name.
  const int found = -8;
  const std::size_t words = name.size() / 4 + 1;
  const int text = found - 8 * static_cast<int>((words + 1) / 2);
  std::vector<bpf_insn> program{instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0),
                                at(instruction(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, 0), found)};
  for (std::size_t word = 0; word < words; ++word) {
    int letters = 0;
    const std::string_view part = name.substr(4 * word, sizeof(letters));
    std::memcpy(&letters, part.data(), part.size());
    const int place = text + 4 * static_cast<int>(word);
    program.push_back(at(instruction(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, letters), place));
  }
  // *ctx = found after bpf_kallsyms_lookup_name(text, sizeof(text), 0, &found)
  const std::array call{instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0),
                        instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, text),
                        instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, static_cast<int>(name.size() + 1)),
                        instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0),
                        instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_10, 0),
                        instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, found),
                        instruction(BPF_JMP | BPF_CALL, 0, 0, BPF_FUNC_kallsyms_lookup_name),
                        at(instruction(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_10, 0), found),
                        at(instruction(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, 0), 0),
                        instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
                        instruction(BPF_JMP | BPF_EXIT, 0, 0, 0)};
  program.insert(program.end(), call.begin(), call.end());
  LIBBPF_OPTS(bpf_prog_load_opts, load, .prog_flags = BPF_F_SLEEPABLE);
  const Fd loaded(
      bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "katameter_symbol", "GPL", program.data(), program.size(), &load));
  std::uint64_t address = 0;
  LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &address, .ctx_size_in = sizeof(address));
  if (!loaded || bpf_prog_test_run_opts(loaded.get(), &run) != 0) return std::nullopt;
  return address;
}

// The file has more than 100,000 lines, and reading it is a sixth of a start.
void find_index_tables(KernelFacts& facts) {
  const std::optional<std::uint64_t> stats = look_up_symbol("mem_cgroup_stats_index");
  const std::optional<std::uint64_t> events = look_up_symbol("mem_cgroup_events_index");
  if (stats && events) {
    facts.stats_index = *stats;
    facts.events_index = *events;
    return;
  }
  std::ifstream symbols("/proc/kallsyms");
  std::string line;
  while ((facts.stats_index == 0 || facts.events_index == 0) && std::getline(symbols, line)) {
    if (line.ends_with(" mem_cgroup_stats_index")) facts.stats_index = std::strtoull(line.c_str(), nullptr, 16);
    if (line.ends_with(" mem_cgroup_events_index")) facts.events_index = std::strtoull(line.c_str(), nullptr, 16);
  }
}

void read_hierarchies(KernelFacts& facts) {
  const Result<CgroupMounts> mounts = read_cgroup_mounts();
  if (!mounts) return;
  const auto note = [&](const char* controller, bool& v1, std::string& path) {
    const auto found = mounts->v1.find(controller);
    v1 = found != mounts->v1.end();
    path = v1 ? found->second : mounts->v2;
  };
  note("cpuacct", facts.cpuacct_v1, facts.cpuacct_mount);
  facts.unified_mount = mounts->v2;
  note("cpu", facts.cpu_v1, facts.cpu_mount);
  note("pids", facts.pids_v1, facts.pids_mount);
  note("memory", facts.memory_v1, facts.memory_mount);
  note("blkio", facts.io_v1, facts.io_mount);
  note("cpuset", facts.cpuset_v1, facts.cpuset_mount);
  note("hugetlb", facts.hugetlb_v1, facts.hugetlb_mount);
}

// A kernel without CONFIG_NUMA has no such file.
void find_memory_nodes(KernelFacts& facts) {
  const Result<std::string> text = read_file("/sys/devices/system/node/has_memory");
  if (!text) return;
  const Result<std::vector<int>> nodes = parse_cpu_list(*text);
  if (!nodes) return;
  for (const int node : *nodes) {
    if (node < NUMA_NODES) facts.memory_nodes |= 1u << node;
  }
}

}  // namespace

Result<std::vector<int>> parse_cpu_list(std::string_view text) {
  const auto wrong = [whole = text] { return failure(fmt::format("'{}' is not a list of CPUs such as 0-3,8", whole)); };
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<int> cpus;
  while (!text.empty()) {
    const int first = take_number(text);
    int last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      last = take_number(text);
    }
    if (first < 0 || last < first || (!cpus.empty() && first <= cpus.back())) return wrong();
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (text.empty()) break;
    if (!text.starts_with(',') || text.size() == 1) return wrong();
    text.remove_prefix(1);
  }
  return cpus;
}

Result<std::vector<int>> read_cpu_list(const std::string& name) {
  const std::string path = "/sys/devices/system/cpu/" + name;
  const Result<std::string> text = read_file(path);
  if (!text) return failure_from(text.error());
  Result<std::vector<int>> cpus = parse_cpu_list(*text);
  if (!cpus) return failure_from(cpus.error(), path);
  return cpus;
}

KernelFacts read_kernel_facts() {
  send_libbpf_to_log();
  KernelFacts facts;
  try_loading(facts);
  read_types(facts);
  if (facts.compact_stat) find_index_tables(facts);
  read_hierarchies(facts);
  find_memory_nodes(facts);
  facts.huge_pages = access("/sys/kernel/mm/hugepages", F_OK) == 0;  // hugetlb_sysfs_init()
  facts.pressure_on = access("/proc/pressure/cpu", F_OK) == 0;       // psi_proc_init()
  timespec tick{};
  // The coarse clock moves once a tick; the kernel says by how much (KTIME_LOW_RES).
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0) facts.tick_ns = static_cast<std::uint64_t>(tick.tv_nsec);
  const Result<std::vector<int>> cpus = read_cpu_list("possible");
  if (cpus && !cpus->empty()) facts.possible_cpus = cpus->back() + 1;
  return facts;
}

}  // namespace katameter::guest
