#pragma once

#include "userspace/wire/messages.h"

namespace katameter::wire {

inline ContainerId sample_id(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

inline Snapshot sample_snapshot() {
  Snapshot snapshot;
  snapshot.request = 7;
  snapshot.sequence = 3;
  snapshot.boottime_ns = 123'456'789'012;
  Container full;
  full.id = sample_id('a');
  full.cgroup = "/cri-containerd/" + full.id.hex();
  std::uint64_t value = 1;
  for (const ContainerFigure& figure : container_figures) full.*figure.value = value *= 2;
  full.memory_usage_bytes = 1'000'000;
  full.oom_kills = 0;  // present, and 0
  full.block_devices = {{253, 16, 1, 2, 3, UINT64_MAX, 5}, {7, 0, 0, 0, 0, 0}};
  Container removed;
  removed.id = sample_id('b');
  removed.cgroup = "/cri-containerd/" + removed.id.hex();
  removed.removed = true;
  removed.cpu_usage_ns = UINT64_MAX;
  snapshot.containers = {full, removed};
  for (const GuestFigure& figure : guest_figures) snapshot.guest.*figure.value = value += 7;
  snapshot.guest.cpu_usage_ns = 99;
  snapshot.guest.workload_cpu_usage_ns = 0;
  snapshot.guest.swap_free_bytes = 0;
  snapshot.guest.unattributed_containers = 0;
  snapshot.interfaces = {{"eth0", 1, 2, 3, 4, 5, 6, 7, UINT64_MAX}, {"eth1", 0, 0, 0, 0, 0, 0, 0, 0}};
  Disk disk{.major = 254, .minor = 16};
  for (const DiskFigure& figure : disk_figures) disk.*figure.value = value += 3;
  snapshot.volumes = {{"/cache", 1, 2, 3, UINT64_MAX}, {"/data", 4, 5, 6, 7, 254, 16}};
  snapshot.disks = {disk, {.major = 7, .minor = 1, .flush_ms = UINT64_MAX}};
  return snapshot;
}

inline OomEvent sample_oom_event() {
  OomEvent event;
  event.sequence = 11;
  event.boottime_ns = 22;
  event.container = sample_id('c');
  event.cgroup = "/cri-containerd/" + event.container->hex();
  event.victim_pid = 4242;
  event.victim_comm = "hog";
  event.victim_anon_bytes = 1;
  event.victim_file_bytes = 2;
  event.victim_shmem_bytes = 3;
  event.memory_usage_bytes = 4;
  event.memory_limit_bytes = 5;
  event.oom_class = OomClass::pod_limit;
  event.limit_cgroup = "/cri-containerd";
  event.limit_usage_bytes = 6;
  event.limit_bytes = 7;
  return event;
}

inline Refusal sample_refusal() {
  return {7, "asked too often"};
}

inline Hello sample_hello() {
  Hello hello;
  hello.version = "0.1.0";
  hello.boot_id = "11111111-2222-3333-4444-555555555555";
  hello.kernel = "5.10.0";
  hello.instance = "1.5";
  hello.lacks = {"one thing", "another"};
  return hello;
}

}  // namespace katameter::wire
