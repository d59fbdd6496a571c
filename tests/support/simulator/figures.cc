#include "tests/support/simulator/figures.h"

#include <fmt/core.h>

#include <string>

#include "tests/support/units.h"
#include "userspace/wire/container_id.h"

namespace katameter::simulator {
namespace {

// A percentage of one CPU that the container uses: 1 to 20, so that a guest of 4 stays below its one CPU.
std::uint64_t cpu_percent(std::uint64_t guest, std::uint32_t container) {
  return 1 + (guest * 7 + container * 3) % 20;
}

wire::Container container_of(std::uint64_t guest, std::uint32_t number, std::uint64_t uptime_ns,
                             std::uint64_t busy_ns) {
  const std::uint64_t seconds = uptime_ns / 1'000'000'000;
  wire::Container made;
  made.id = container_id(guest, number);
  made.cgroup = "/cri-containerd/" + made.id.hex();
  made.cpu_usage_ns = busy_ns / 100 * cpu_percent(guest, number);
  made.cpu_user_ns = *made.cpu_usage_ns / 4 * 3;
  made.cpu_system_ns = *made.cpu_usage_ns - *made.cpu_user_ns;
  made.cfs_periods = seconds * 10;
  made.cfs_throttled_periods = seconds;
  made.cfs_throttled_ns = uptime_ns / 200;
  made.cfs_burst_periods = made.cfs_burst_ns = made.cpu_idle = 0;
  made.cpu_quota_us = 50'000;
  made.cpu_period_us = 100'000;
  made.cpu_shares = 512;
  made.cpuset_cpus = 1;
  made.threads = 3 + number;
  made.threads_max = 1000;
  made.processes = 1 + number;
  made.threads_running = 1;
  made.threads_sleeping = 2 + number;
  made.threads_stopped = made.threads_uninterruptible = made.threads_io_waiting = 0;
  made.max_open_files = 1 << 20;
  made.start_boottime_ns = 1'000'000'000 + number * 10'000'000;

  // A saw tooth of ten minutes between 8 and 68 MiB; the peak has seen one.
  const std::uint64_t breath = (guest + seconds) % 600;
  made.memory_rss_bytes = 4 * mebibyte + breath * mebibyte / 10;
  made.memory_cache_bytes = 4 * mebibyte;
  made.memory_mapped_file_bytes = mebibyte;
  made.memory_active_file_bytes = mebibyte;
  made.memory_inactive_file_bytes = 3 * mebibyte;
  made.memory_kernel_bytes = mebibyte / 2;
  made.memory_swap_bytes = 0;
  made.memory_usage_bytes = *made.memory_rss_bytes + *made.memory_cache_bytes + *made.memory_kernel_bytes;
  made.memory_working_set_bytes = *made.memory_usage_bytes - *made.memory_inactive_file_bytes;
  made.memory_peak_bytes = 69 * mebibyte;
  made.memory_limit_bytes = 128 * mebibyte;
  made.memory_swap_limit_bytes = 128 * mebibyte;
  made.memory_reservation_bytes = 0;
  made.memory_failcnt = seconds / 60;
  made.oom_kills = number == 1 ? seconds : 0;
  made.page_faults = seconds * 25;
  made.major_page_faults = seconds / 30;
  made.memory_shmem_bytes = made.memory_writeback_bytes = made.memory_unevictable_bytes = 0;
  made.memory_dirty_bytes = mebibyte / 4;
  made.memory_inactive_anon_bytes = *made.memory_rss_bytes / 2;
  made.memory_active_anon_bytes = *made.memory_rss_bytes - *made.memory_inactive_anon_bytes;
  made.memory_slab_reclaimable_bytes = made.memory_slab_unreclaimable_bytes = mebibyte / 8;
  made.memory_kernel_stack_bytes = (3 + number) * std::uint64_t{16384};
  made.memory_page_tables_bytes = mebibyte / 16;
  made.memory_sockets_bytes = made.memory_per_cpu_bytes = 0;
  made.memory_refaults_anon = made.memory_zswap_bytes = made.memory_zswapped_bytes = 0;
  made.memory_refaults_file = seconds / 10;
  made.memory_scanned_pages = seconds * 4;
  made.memory_reclaimed_pages = seconds * 3;
  made.memory_low_events = made.memory_high_events = made.memory_oom_group_kills = 0;
  made.memory_max_events = seconds / 60;
  made.memory_oom_events = made.oom_kills;
  made.memory_swap_max_events = made.memory_swap_fail_events = made.memory_swap_peak_bytes = 0;
  made.memory_stalls = seconds / 20;
  made.memory_stall_ns = uptime_ns / 10'000;
  made.virtiofs_reads = seconds * 3;
  made.virtiofs_writes = seconds;
  made.virtiofs_opens = made.virtiofs_closes = seconds;
  made.virtiofs_lookups = seconds * 2;
  made.virtiofs_readdirs = made.virtiofs_syncs = made.virtiofs_others = 0;
  made.virtiofs_read_bytes = seconds * 3 * 4096;
  made.virtiofs_written_bytes = seconds * 4096;
  made.virtiofs_read_ns = seconds * 300'000;
  made.virtiofs_write_ns = seconds * 150'000;
  made.virtiofs_sync_ns = 0;
  made.virtiofs_metadata_ns = seconds * 200'000;
  made.virtiofs_read_errors = made.virtiofs_write_errors = made.virtiofs_sync_errors = 0;
  made.virtiofs_in_flight = 0;
  made.virtiofs_up_to_100us = seconds * 6;
  made.virtiofs_up_to_1ms = seconds * 2;
  made.virtiofs_up_to_10ms = made.virtiofs_up_to_100ms = made.virtiofs_up_to_1s = made.virtiofs_over_1s = 0;
  made.block_devices = {{254, 0, seconds * 4096, seconds * 8192, seconds, seconds * 2}};
  return made;
}

wire::Guest guest_of(const wire::Snapshot& snapshot, std::uint64_t uptime_ns, std::uint64_t busy_ns) {
  wire::Guest guest;
  std::uint64_t workload_ns = 0;
  for (const wire::Container& container : snapshot.containers) workload_ns += *container.cpu_usage_ns;
  guest.workload_cpu_usage_ns = workload_ns;
  guest.kernel_cpu_usage_ns = busy_ns / 1000;
  guest.agent_cpu_usage_ns = busy_ns / 2000;
  guest.probe_cpu_usage_ns = busy_ns / 100'000;
  guest.cpu_usage_ns = workload_ns + busy_ns / 500;
  guest.memory_total_bytes = 2048 * mebibyte;
  guest.memory_free_bytes = 1024 * mebibyte;
  guest.memory_available_bytes = 1400 * mebibyte;
  guest.memory_cache_bytes = 400 * mebibyte;
  guest.memory_anonymous_bytes = 300 * mebibyte;
  guest.memory_slab_bytes = 40 * mebibyte;
  guest.memory_kernel_stack_bytes = 2 * mebibyte;
  guest.memory_page_tables_bytes = 4 * mebibyte;
  guest.tcp_retranssegs = uptime_ns / 10'000'000'000;
  guest.tcp_outsegs = *guest.tcp_retranssegs * 1000;
  guest.tcp_currestab = guest.tcp_sockets = 7;
  guest.udp_sockets = 2;
  guest.swap_total_bytes = 0;
  guest.swap_free_bytes = 0;
  guest.virtiofs_system_requests = uptime_ns / 1'000'000'000;
  guest.virtiofs_system_read_bytes = *guest.virtiofs_system_requests * 4096;
  guest.virtiofs_system_written_bytes = guest.virtiofs_unknown_requests = 0;
  guest.virtiofs_unknown_read_bytes = guest.virtiofs_unknown_written_bytes = guest.virtiofs_lost = 0;
  return guest;
}

}  // namespace

ContainerId container_id(std::uint64_t guest, std::uint32_t container) {
  // Both numbers, to be recognized in a log, then what is made of them (splitmix64).
  std::string hex = fmt::format("{:08x}{:08x}", guest + 1, container);
  for (std::uint64_t state = guest << 32 | container; hex.size() < 64;) {
    std::uint64_t mixed = state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    hex += fmt::format("{:016x}", mixed ^ mixed >> 31);
  }
  return *ContainerId::from_hex(hex);
}

wire::Snapshot figures_of(std::uint64_t guest, std::uint32_t containers, std::chrono::nanoseconds uptime,
                          std::chrono::nanoseconds busy) {
  const auto uptime_ns = static_cast<std::uint64_t>(uptime.count());
  const auto busy_ns = static_cast<std::uint64_t>(busy.count());
  const std::uint64_t seconds = uptime_ns / 1'000'000'000;
  wire::Snapshot made;
  made.boottime_ns = uptime_ns;
  made.containers.reserve(containers);
  for (std::uint32_t i = 0; i < containers; ++i) made.containers.push_back(container_of(guest, i, uptime_ns, busy_ns));
  made.guest = guest_of(made, uptime_ns, busy_ns);
  made.volumes = {{"/run/kata-containers/sandbox/shm", 0, 64 * mebibyte, 127'000, 127'001}};
  made.disks = {{.major = 254,
                 .minor = 0,
                 .reads = seconds * 2,
                 .read_bytes = seconds * 8192,
                 .read_ms = seconds,
                 .writes = seconds * 4,
                 .write_bytes = seconds * 16384,
                 .write_ms = seconds * 2,
                 .io_ms = seconds * 2,
                 .weighted_io_ms = seconds * 3}};
  made.interfaces = {{"eth0", seconds * 1500, seconds, 0, 0, seconds * 3000, seconds * 2, 0, 0}};
  return made;
}

}  // namespace katameter::simulator
