#include "tests/support/fake_report.h"
#include "tests/support/units.h"

#include <chrono>
#include <numeric>
#include <string>

namespace katameter::host::testing {
namespace {

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

// What grows by `each_second`, as the whole number that a kernel would have counted.
std::uint64_t grown(double seconds, double each_second) {
  return static_cast<std::uint64_t>(seconds * each_second);
}

std::uint64_t cpu_ns(double seconds, double cpus) {
  return grown(seconds, cpus * 1e9);
}

wire::Container container(char digit, double seconds, double cpus, std::uint64_t memory) {
  wire::Container made;
  made.id = id_of(digit);
  // The figures that nobody here looks at one by one: all there, so that none is missing in the exposition.
  for (const wire::ContainerFigure& figure : wire::container_figures) made.*figure.value = grown(seconds, 10);
  made.cpu_usage_ns = cpu_ns(seconds, cpus);
  made.cpu_user_ns = cpu_ns(seconds, cpus * 3 / 4);
  made.cpu_system_ns = *made.cpu_usage_ns - *made.cpu_user_ns;
  made.cfs_periods = grown(seconds, 10);
  made.cfs_throttled_periods = 0;
  made.cfs_throttled_ns = 0;
  made.cpu_quota_us = 100'000;
  made.cpu_period_us = 100'000;
  made.memory_usage_bytes = memory;
  made.memory_working_set_bytes = memory - memory / 8;
  made.memory_rss_bytes = memory / 2;
  made.memory_cache_bytes = memory / 4;
  made.memory_peak_bytes = memory + memory / 4;
  made.memory_limit_bytes = memory * 2;
  made.memory_swap_bytes = 0;
  wire::BlockDevice disk;
  disk.major = 254;
  disk.read_bytes = grown(seconds, 4096);
  disk.write_bytes = grown(seconds, 8192);
  disk.reads = grown(seconds, 1);
  disk.writes = grown(seconds, 2);
  made.block_devices = {disk};
  return made;
}

void add_guest(SandboxReport& sandbox, double seconds, double workload_cpus) {
  GuestView& view = sandbox.guest ? *sandbox.guest : sandbox.guest.emplace();
  wire::Guest& guest = view.guest_wide;
  for (const wire::GuestFigure& figure : wire::guest_figures) {
    if (figure.presence == wire::Presence::optional) guest.*figure.value = 3 * mebibyte;
  }
  guest.memory_total_bytes = 1024 * mebibyte;
  guest.memory_free_bytes = 500 * mebibyte;
  guest.memory_cache_bytes = 100 * mebibyte;
  view.cpu = GuestCpu{cpu_ns(seconds, workload_cpus), cpu_ns(seconds, 0.02)};
  view.system_cpu =
      GuestSystemCpu{cpu_ns(seconds, 0.005), cpu_ns(seconds, 0.01), cpu_ns(seconds, 0.001), cpu_ns(seconds, 0.004)};
  wire::Interface link;
  link.name = "eth0";
  link.receive_bytes = grown(seconds, 5000);
  link.transmit_bytes = grown(seconds, 2500);
  view.interfaces = {link};
  view.volumes = {{"/run/kata-containers/sandbox/ephemeral/cache", 3 * mebibyte, 64 * mebibyte, 1000, 1024},
                  {"/run/kata-containers/sandbox/storage/MDIvMDA=", mebibyte, 64 * mebibyte, 1000, 1024, 254, 16}};
  wire::Disk& root = view.disks.emplace_back();
  root.major = 254;
  for (const wire::DiskFigure& figure : wire::disk_figures) root.*figure.value = grown(seconds, 3);
  sandbox.guest_info = std::make_shared<const GuestInfo>(GuestInfo{"1.2.3", "6.12.0", "pressure stall information"});
}

void add_host(SandboxReport& sandbox, double seconds, double workload_cpus) {
  SandboxProcesses processes;
  processes.cpu[Role::vcpu] = {cpu_ns(seconds, workload_cpus + 0.03), cpu_ns(seconds, 0.01)};
  processes.cpu[Role::vmm] = {cpu_ns(seconds, 0.04), cpu_ns(seconds, 0.001)};
  processes.cpu[Role::virtiofsd] = {cpu_ns(seconds, 0.02), 0};
  processes.cpu[Role::shim] = {cpu_ns(seconds, 0.005), 0};
  for (const Role role : {Role::vmm, Role::virtiofsd, Role::shim}) {
    processes.usage[role] = {grown(seconds, 1e6), grown(seconds, 100), 0, grown(seconds, 100), grown(seconds, 200)};
    processes.role_memory[role] = {8 * mebibyte, 4 * mebibyte, 2 * mebibyte, mebibyte};
    processes.oom_kills[role] = 0;
  }
  processes.memory = {520 * mebibyte, 30 * mebibyte, 6 * mebibyte, 12 * mebibyte, 3 * mebibyte, 600 * mebibyte};
  processes.io = true;
  Account account;
  const auto of = [&](CpuComponent component) -> std::uint64_t& {
    return account.cpu_ns[static_cast<std::size_t>(component)];
  };
  of(CpuComponent::workload) = cpu_ns(seconds, workload_cpus);
  of(sandbox.guest ? CpuComponent::guest_system : CpuComponent::guest_silent) = cpu_ns(seconds, 0.02);
  of(CpuComponent::vcpu_exits) = cpu_ns(seconds, 0.01);
  of(CpuComponent::vmm) = cpu_ns(seconds, 0.04);
  of(CpuComponent::virtiofsd) = cpu_ns(seconds, 0.02);
  of(CpuComponent::shim) = cpu_ns(seconds, 0.005);
  account.cpu_total_ns = std::accumulate(account.cpu_ns.begin(), account.cpu_ns.end(), std::uint64_t{0});
  account.cpu_overhead_ns = account.cpu_total_ns - of(CpuComponent::workload) - of(CpuComponent::guest_silent);
  account.steal_ns = cpu_ns(seconds, 0.01);
  account.guest_known = sandbox.guest.has_value();
  account.memory.by_component = processes.memory;
  account.memory.unaccounted = 29 * mebibyte;
  if (sandbox.guest) {
    for (const wire::Container& of_sandbox : sandbox.guest->containers) {
      // Half of virtiofsd's is the guest system's.
      const std::size_t parts = 2 * sandbox.guest->containers.size();
      account.container_costs[of_sandbox.id] = {*of_sandbox.cpu_usage_ns,    of(CpuComponent::virtiofsd) / parts,
                                                grown(seconds, 100) / parts, grown(seconds, 200) / parts,
                                                grown(seconds, 100) / parts, grown(seconds, 200) / parts};
      sandbox.layers[of_sandbox.id] = {3 * mebibyte, 40};
    }
    account.unattributed_costs = {0,
                                  of(CpuComponent::virtiofsd) / 2,
                                  grown(seconds, 50),
                                  grown(seconds, 100),
                                  grown(seconds, 50),
                                  grown(seconds, 100)};
    account.memory.by_use = GuestRamUse{280 * mebibyte, 120 * mebibyte, 100 * mebibyte, 20 * mebibyte};
    account.memory.overhead = 291 * mebibyte;
    account.memory.reclaimable = 200 * mebibyte;
  }
  sandbox.host_ooms = processes.oom_kills;
  sandbox.processes = std::move(processes);
  sandbox.account = std::move(account);
}

SandboxReport sandbox(char digit, SandboxNames names) {
  SandboxReport made;
  made.id = id_of(digit);
  made.place = std::make_shared<const SandboxPlace>(
      SandboxPlace{made.id, "/run/vc/vm/" + made.id.string(), "clh.sock", "cloud-hypervisor", Reach::hybrid, "vc/vm"});
  names.image = "registry/pause:3.9";
  names.uid = std::string("00000000-0000-4000-8000-00000000000") + digit;
  made.names = std::make_shared<const SandboxNames>(std::move(names));
  return made;
}

void add_container(SandboxReport& sandbox, wire::Container made, std::uint64_t ooms) {
  sandbox.oom_kills[made.id] = ooms;
  GuestView& view = sandbox.guest ? *sandbox.guest : sandbox.guest.emplace();
  view.start_times[made.id] = 1'700'000'000;
  view.containers.push_back(std::move(made));
}

}  // namespace

NodeReport fake_report(double seconds, NameStyle style) {
  const bool hostile = style == NameStyle::hostile;
  const std::string pod = hostile ? "<img src=x onerror=\"document.title='hole'\">" : "web-0";
  const std::string app = hostile ? "\"><script>document.title='hole'</script>\\" : "app";
  NodeReport report;
  report.cpu_by_handler["kata"] = {cpu_ns(seconds, 0.5), cpu_ns(seconds, 0.1), 0, cpu_ns(seconds, 0.02)};

  SandboxReport web = sandbox(
      'a', {.pod_namespace = "shop",
            .pod = pod,
            .uid = {},
            .runtime_handler = "kata",
            .image = {},
            .containers = {{id_of('1'), {app, "registry/app:1"}}, {id_of('2'), {"proxy", "registry/proxy:2"}}}});
  add_container(web, container('1', seconds, 0.3, 200 * mebibyte), 0);
  add_container(web, container('2', seconds, 0.05, 20 * mebibyte), 0);
  add_container(web, container('a', seconds, 0.0001, mebibyte), 0);
  add_guest(web, seconds, 0.3501);
  add_host(web, seconds, 0.3501);
  report.sandboxes.push_back(std::move(web));

  SandboxReport crunch = sandbox('b', {.pod_namespace = "batch",
                                       .pod = "crunch-0",
                                       .uid = {},
                                       .runtime_handler = "kata-qemu",
                                       .image = {},
                                       .containers = {{id_of('3'), {"worker", "registry/worker:3"}}}});
  wire::Container worker = container('3', seconds, 0.2, 260 * mebibyte);
  worker.cpu_quota_us = 20'000;
  worker.cfs_throttled_periods = grown(seconds, 9);
  worker.cfs_throttled_ns = cpu_ns(seconds, 0.7);
  const std::uint64_t ooms = grown(seconds, 0.5);
  add_container(crunch, worker, ooms);
  add_container(crunch, container('b', seconds, 0.0001, mebibyte), 0);
  add_guest(crunch, seconds, 0.2001);
  crunch.oom_events = ooms;
  crunch.oom_kills_by_class[static_cast<std::size_t>(wire::OomClass::container_limit)] = ooms;
  crunch.rejected[static_cast<std::size_t>(DropReason::silent)] = 1;
  add_host(crunch, seconds, 0.2001);
  report.sandboxes.push_back(std::move(crunch));

  SandboxReport silent = sandbox('d', {.pod_namespace = "shop",
                                       .pod = "silent-0",
                                       .uid = {},
                                       .runtime_handler = "kata",
                                       .image = {},
                                       .containers = {}});
  add_host(silent, seconds, 0);
  report.sandboxes.push_back(std::move(silent));

  report.kata_pods = KataPods{3, 3};
  report.duration_seconds = 0.003;
  report.guests = {0.002, true};
  report.processes = {0.001, true};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  report.unix_seconds = std::chrono::floor<std::chrono::seconds>(now).count();
  report.monotonic_seconds = seconds;
  return report;
}

}  // namespace katameter::host::testing
