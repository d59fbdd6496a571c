#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "host-probe/pods/source_thread.h"
#include "userspace/wire/container_id.h"

namespace katameter::host {

/// What the container runtime says that a container uses, by CRI's ListContainerStats. Of a Kata container the agent has
/// read it from the guest's cgroup files; the writable layer is the host's. What it does not say is absent.
struct ContainerStats {
  using Value = std::optional<std::uint64_t>;

  ContainerId id;
  Value cpu_ns;             // since the container's start
  Value usage_bytes;        // of memory, page cache included
  Value working_set_bytes;  // usage without inactive page cache
  Value rss_bytes;          // anonymous memory
  Value page_faults;
  Value major_page_faults;
  Value layer_bytes;   // of its root file system, what it has written
  Value layer_inodes;  // files and directories of that
};

/// By sandbox; the containers in the order of their ids.
using StatsBySandbox = std::map<ContainerId, std::vector<ContainerStats>>;

/// The request says nothing: all of them. No answer: no runtime has given one.
struct AllContainers {};
using StatsSource = SlowSource<AllContainers, std::optional<StatsBySandbox>>;

}  // namespace katameter::host
