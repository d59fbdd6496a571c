#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "userspace/wire/container_id.h"

namespace katameter::host {

/// The uid of the pod that a sandbox's cgroup is of, as the API has it. `path`: as the kubelet's two drivers name it, with
/// pod<uid> or, for systemd, kubepods-<class>-pod<uid>.slice and the uid's dashes as underscores, and Kata after it: parts
/// are separated by `/` or `:`. Nothing if no part of the path is a pod's, or none has the sandbox's id.
std::optional<std::string> pod_uid_in(std::string_view path, const ContainerId& sandbox);

/// The uid of a sandbox's pod, by what the shim of root has kept of the sandbox: `SandboxCgroupPath` in
/// vc/sbs/<id>/persist.json of the Go runtime (virtcontainers/persist/api/sandbox.go), `resource.cgroup_state.path` in
/// kata/<id>/state.json of runtime-rs (crates/resource/src/cgroups/cgroup_persist.rs). Nothing if there is no such file,
/// or no pod in it.
class KataState {
 public:
  /// A state is some 5 to 50 kB; of a larger one than this nothing is read.
  static constexpr std::size_t max_bytes = std::size_t{1} << 20;

  explicit KataState(std::string run_root) : run_root_(std::move(run_root)) {}

  std::optional<std::string> pod_uid(const ContainerId& sandbox) const;

 private:
  std::string run_root_;
};

/// The path of the sandbox's cgroup in the text of such a file; empty if it is not there.
std::string cgroup_path_in(std::string_view state);

}  // namespace katameter::host
