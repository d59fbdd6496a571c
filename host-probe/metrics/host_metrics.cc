#include <cstdint>
#include <map>

#include "host-probe/metrics/table.h"

// What a sandbox costs the host: CPU time and memory by component, and its processes by role.
namespace katameter::host {
namespace {

using prometheus::MetricType;

template <typename ValueOf>
void each_account(SeriesWriter& out, const Labels& further, const ValueOf& value) {
  out.each_sandbox(further, [&value](const SandboxReport& of) { return of.account ? value(*of.account) : Value(); });
}

void write_cpu_components(SeriesWriter& out) {
  for (std::size_t i = 0; i < cpu_components; ++i) {
    each_account(out, {{"component", name(static_cast<CpuComponent>(i))}},
                 [i](const Account& account) -> Value { return seconds(account.cpu_ns[i]); });
  }
}

template <SharedCost... costs>
void write_unattributed(SeriesWriter& out) {
  for (const SharedCost cost : {costs...}) {
    each_account(out, {label_of(cost)},
                 [cost](const Account& account) { return value_of(account.unattributed_costs, cost); });
  }
}

// What follows from the guest's CPU time.
template <std::uint64_t Account::*ns>
void write_guest_dependent_cpu(SeriesWriter& out) {
  each_account(out, {},
               [](const Account& account) { return account.guest_known ? Value(seconds(account.*ns)) : std::nullopt; });
}

template <auto member>
void write_memory_sum(SeriesWriter& out) {
  each_account(out, {}, [](const Account& account) { return number(account.memory.*member); });
}

void write_guest_ram(SeriesWriter& out) {
  using Use = std::pair<std::string_view, std::uint64_t GuestRamUse::*>;
  out.each_sandbox("use",
                   std::initializer_list<Use>{{"workload", &GuestRamUse::workload},
                                              {"guest_system", &GuestRamUse::guest_system},
                                              {"free", &GuestRamUse::free},
                                              {"residual", &GuestRamUse::residual}},
                   [](const SandboxReport& of, std::uint64_t GuestRamUse::*use) -> Value {
                     if (!of.account || !of.account->memory.by_use) return std::nullopt;
                     return number((*of.account->memory.by_use).*use);
                   });
}

void write_memory_components(SeriesWriter& out) {
  using Component = std::pair<std::string_view, std::uint64_t SandboxMemory::*>;
  out.each_sandbox("component",
                   std::initializer_list<Component>{{"guest_ram", &SandboxMemory::guest_ram_bytes},
                                                    {"vmm", &SandboxMemory::vmm_bytes},
                                                    {"virtiofsd", &SandboxMemory::virtiofsd_bytes},
                                                    {"shim", &SandboxMemory::shim_bytes},
                                                    {"page_tables", &SandboxMemory::page_tables_bytes}},
                   [](const SandboxReport& of, std::uint64_t SandboxMemory::*part) {
                     return of.account ? number(of.account->memory.by_component.*part) : std::nullopt;
                   });
}

// A series of each sandbox and role that has a value in one of the maps of SandboxProcesses.
template <typename ByRole, typename ValueOf>
void each_role(SeriesWriter& out, std::map<Role, ByRole> SandboxProcesses::*by_role, std::string_view label,
               std::string_view label_value, const ValueOf& value) {
  for (const Role role : roles) {
    Labels further{{"role", name(role)}};
    if (!label.empty()) further.push_back({label, label_value});
    out.each_sandbox(further, [&](const SandboxReport& of) -> Value {
      if (!of.processes) return std::nullopt;
      const auto& values = (*of.processes).*by_role;
      const auto found = values.find(role);
      if (found == values.end()) return std::nullopt;
      return value(*of.processes, found->second);
    });
  }
}

template <std::uint64_t RoleCpu::*ns>
void write_role_cpu(SeriesWriter& out) {
  each_role(out, &SandboxProcesses::cpu, "", "",
            [](const SandboxProcesses&, const RoleCpu& cpu) { return seconds(cpu.*ns); });
}

// Without KVM the host counts 0.
void write_guest_mode(SeriesWriter& out) {
  out.each_sandbox([](const SandboxReport& of) -> Value {
    if (!of.processes || !of.processes->cpu.contains(Role::vcpu)) return std::nullopt;
    return seconds(of.processes->guest_mode_ns());
  });
}

void write_role_memory(SeriesWriter& out) {
  using Kind = std::pair<std::string_view, std::uint64_t RoleMemory::*>;
  for (const auto& [kind, member] :
       {Kind{"anonymous", &RoleMemory::anonymous_bytes}, Kind{"file", &RoleMemory::file_bytes},
        Kind{"shared", &RoleMemory::shared_bytes}, Kind{"page_tables", &RoleMemory::page_tables_bytes}}) {
    each_role(out, &SandboxProcesses::role_memory, "kind", kind,
              [of = member](const SandboxProcesses&, const RoleMemory& memory) { return number(memory.*of); });
  }
}

using Usage = std::pair<std::string_view, std::uint64_t RoleUsage::*>;

void write_faults(SeriesWriter& out) {
  for (const auto& [type, member] :
       {Usage{"minor", &RoleUsage::minor_faults}, Usage{"major", &RoleUsage::major_faults}}) {
    each_role(out, &SandboxProcesses::usage, "type", type,
              [of = member](const SandboxProcesses&, const RoleUsage& usage) { return number(usage.*of); });
  }
}

void write_io(SeriesWriter& out) {
  for (const auto& [direction, member] :
       {Usage{"read", &RoleUsage::read_bytes}, Usage{"write", &RoleUsage::write_bytes}}) {
    each_role(out, &SandboxProcesses::usage, "direction", direction,
              [of = member](const SandboxProcesses& processes, const RoleUsage& usage) {
                return processes.io ? number(usage.*of) : std::nullopt;
              });
  }
}

// Also of sandboxes that have ended.
void write_host_oom_kills(SeriesWriter& out) {
  for (const LabelledSandbox& sandbox : out.report().all()) {
    for (const auto& [role, count] : sandbox.report.host_ooms) {
      out.add(sandbox.id, {{"role", name(role)}}, static_cast<double>(count));
    }
  }
}

void write_vmm_found(SeriesWriter& out) {
  if (!out.report().node().processes.success) return;
  out.each_sandbox([](const SandboxReport& of) -> Value { return of.processes && of.processes->has_vmm(); });
}

constexpr MetricRow accounting_rows[] = {
    {{"katameter_sandbox_vmm_found",
      "1 if the sandbox's VMM is among the processes that are followed, else 0; then no other "
      "katameter_sandbox_* metric of it has a value but katameter_sandbox_info.",
      MetricType::Gauge, "0 or 1", "", "exec and fork on the host"},
     &write_vmm_found},
    {{"katameter_sandbox_cpu_seconds_total",
      "CPU time of the host that the sandbox used, by component, in seconds; the components sum to "
      "katameter_sandbox_host_cpu_seconds_total. Counted since the sandbox or host-probe started, whichever was later.",
      MetricType::Counter, "seconds", "component",
      "katameter_process_cpu_seconds_total, vCPU time divided by what the guest counts"},
     &write_cpu_components},
    {{"katameter_sandbox_host_cpu_seconds_total", "CPU time of the host that the sandbox used, in seconds.",
      MetricType::Counter, "seconds", "", "the sum of the components"},
     [](SeriesWriter& out) {
       each_account(out, {}, [](const Account& account) -> Value { return seconds(account.cpu_total_ns); });
     }},
    {{"katameter_sandbox_unattributed_cpu_seconds_total",
      "The part of katameter_sandbox_cpu_seconds_total that no container caused, or of which it is not known which "
      "one, "
      "for the components that katameter_container_host_cpu_seconds_total divides, in seconds. With the containers' "
      "parts, those included that have ended, it is the component.",
      MetricType::Counter, "seconds", "component", "katameter_sandbox_cpu_seconds_total less the containers' parts"},
     &write_unattributed<SharedCost::workload_cpu, SharedCost::virtiofsd_cpu>},
    {{"katameter_sandbox_unattributed_fs_reads_bytes_total",
      "The part of what virtiofsd and the VMM read from the host's storage that no container caused, or of which it is "
      "not known which one, by role. With katameter_container_host_fs_reads_bytes_total of all containers, those "
      "included "
      "that have ended, it is katameter_process_io_bytes_total.",
      MetricType::Counter, "bytes", "role", "katameter_process_io_bytes_total less the containers' parts"},
     &write_unattributed<SharedCost::virtiofsd_reads, SharedCost::vmm_reads>},
    {{"katameter_sandbox_unattributed_fs_writes_bytes_total", "The same of what they wrote to the host's storage.",
      MetricType::Counter, "bytes", "role", "the same"},
     &write_unattributed<SharedCost::virtiofsd_writes, SharedCost::vmm_writes>},
    {{"katameter_sandbox_overhead_cpu_seconds_total",
      "CPU time of the host that the sandbox used beyond its workload, in seconds; component guest_silent counts "
      "neither as workload nor as overhead.",
      MetricType::Counter, "seconds", "", "the sum less workload and guest_silent"},
     &write_guest_dependent_cpu<&Account::cpu_overhead_ns>},
    {{"katameter_sandbox_steal_seconds_total",
      "Time that the guest counted as its own CPU time while its vCPUs waited for a CPU of the host, in seconds.",
      MetricType::Counter, "seconds", "", "what the guest counted, scaled by the vCPUs' run delay"},
     &write_guest_dependent_cpu<&Account::steal_ns>},
    {{"katameter_sandbox_memory_bytes",
      "Memory of the host that the sandbox holds, by component, in bytes; guest RAM counts the touched pages, once. "
      "Guest "
      "RAM that is not a file is taken out of the VMM's memory, as far as the guest was seen to use it.",
      MetricType::Gauge, "bytes", "component",
      "host: anonymous pages of each process, pages of each guest-RAM file once, page tables"},
     &write_memory_components},
    {{"katameter_sandbox_host_memory_bytes",
      "Memory of the host that the sandbox holds, in bytes: the sum of katameter_sandbox_memory_bytes.",
      MetricType::Gauge, "bytes", "", "the sum of katameter_sandbox_memory_bytes"},
     [](SeriesWriter& out) {
       each_account(out, {}, [](const Account& account) { return number(account.memory.host_total()); });
     }},
    {{"katameter_sandbox_overhead_memory_bytes",
      "Memory of the host that the sandbox holds beyond its workload, in bytes.", MetricType::Gauge, "bytes", "",
      "the sum less what the containers are charged with"},
     &write_memory_sum<&MemoryAccount::overhead>},
    {{"katameter_sandbox_guest_ram_bytes",
      "Guest RAM that the host holds, by the guest's use of it, in bytes; free was used before and not returned, "
      "residual is what the guest's kernel does not count.",
      MetricType::Gauge, "bytes", "use", "guest RAM of the host, divided by the guest's /proc/meminfo"},
     &write_guest_ram},
    {{"katameter_sandbox_reclaimable_memory_bytes",
      "Guest RAM that a balloon could return to the host: free memory and page cache, in bytes.", MetricType::Gauge,
      "bytes", "", "guest: MemFree, Cached and Buffers"},
     &write_memory_sum<&MemoryAccount::reclaimable>},
    {{"katameter_sandbox_cgroup_memory_bytes",
      "Memory that the kernel charges to the sandbox's own cgroups on the host, in bytes: page cache of files and the "
      "kernel's own memory included. Absent while one of its processes is in a cgroup that is not the sandbox's.",
      MetricType::Gauge, "bytes", "", "host: `mem_cgroup.memory`, as `memory.current` has it"},
     [](SeriesWriter& out) {
       each_account(out, {}, [](const Account& account) { return number(account.memory.by_component.cgroup_bytes); });
     }},
    {{"katameter_sandbox_unaccounted_memory_bytes",
      "katameter_sandbox_cgroup_memory_bytes less katameter_sandbox_host_memory_bytes, in bytes: page cache and memory "
      "of the kernel that no component has. Negative where a component is charged to another cgroup.",
      MetricType::Gauge, "bytes", "", "the difference of both"},
     [](SeriesWriter& out) {
       each_account(out, {}, [](const Account& account) -> Value {
         if (!account.memory.unaccounted) return std::nullopt;
         return static_cast<double>(*account.memory.unaccounted);
       });
     }},
};

constexpr MetricRow process_rows[] = {
    {{"katameter_process_cpu_seconds_total",
      "CPU time of the sandbox's processes on the host by role, in seconds. Like all katameter_process_*_total: since "
      "the "
      "sandbox or host-probe started, whichever was later.",
      MetricType::Counter, "seconds", "role",
      "host: `task_struct.se.sum_exec_runtime` of each thread, `signal_struct.sum_sched_runtime` of the dead"},
     &write_role_cpu<&RoleCpu::cpu_ns>},
    {{"katameter_process_run_delay_seconds_total",
      "Time that the sandbox's threads on the host waited for a CPU, by role, in seconds.", MetricType::Counter,
      "seconds", "role", "host: `task_struct.sched_info.run_delay`"},
     &write_role_cpu<&RoleCpu::run_delay_ns>},
    {{"katameter_process_guest_mode_seconds_total",
      "CPU time of the sandbox's vCPUs in guest mode as the host counts it, by ticks, in seconds; 0 without KVM.",
      MetricType::Counter, "seconds", "", "host: `task_struct.gtime`, `signal_struct.gtime`; by ticks"},
     &write_guest_mode},
    {{"katameter_process_memory_bytes",
      "Resident memory of the sandbox's processes on the host by role and kind, in bytes; guest RAM and page cache "
      "count for each process that has them mapped.",
      MetricType::Gauge, "bytes", "role, kind", "host: `mm_struct.rss_stat`, `pgtables_bytes`"},
     &write_role_memory},
    {{"katameter_process_page_faults_total", "Page faults of the sandbox's processes on the host by role and type.",
      MetricType::Counter, "faults", "role, type",
      "host: `task_struct.min_flt`, `maj_flt`, those of the dead included"},
     &write_faults},
    {{"katameter_process_io_bytes_total",
      "Bytes that the sandbox's processes on the host read from or wrote to storage, by role.", MetricType::Counter,
      "bytes", "role, direction", "host: `task_struct.ioac.read_bytes`, `write_bytes`, the dead included"},
     &write_io},
    {{"katameter_host_oom_kills_total",
      "Processes of the sandbox that the host's OOM killer chose, by role; kills inside the guest are not included.",
      MetricType::Counter, "kills", "role", "host: tracepoint `mark_victim`"},
     &write_host_oom_kills},
};

}  // namespace

constexpr MetricGroup accounting_group{"What a sandbox costs the host",
                                       "In every scrape the components sum to the total. Labels of all: `sandbox_id`.",
                                       accounting_rows};
constexpr MetricGroup process_group{"Processes of a sandbox on the host", "Labels of all: `sandbox_id`.", process_rows};

}  // namespace katameter::host
