#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "host-probe/pods/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

/// What one container's files say. Texts are fit for labels, empty where there is none.
struct BundleNames {
  std::optional<ContainerId> sandbox;  // nothing: of no pod, the container is a sandbox of its own
  std::string pod_namespace;
  std::string pod;
  std::string uid;
  std::string container;  // empty for the pause container
  std::string image;
  std::string runtime_handler;
};

/// Reads the text of a bundle's config.json, as containerd, CRI-O or nerdctl has written it. An error if it is not JSON, has
/// not the form of an OCI configuration, or names neither a sandbox nor a container.
Result<BundleNames> parse_bundle(std::string_view config);

/// Reads the text of the config.v2.json that Docker keeps of a container: its bundles say nothing of names.
Result<BundleNames> parse_docker(std::string_view config);

/// Finds bundles where containerd and CRI-O keep those of running containers, below the run root:
/// containerd/io.containerd.runtime.v2.task/<namespace>/<id> (the same for the containerds of k3s, k0s, Docker and, beside
/// the run root, MicroK8s), and containers/storage/overlay-containers/<id>/userdata. Docker's files are beside the run
/// root, in var/lib/docker/containers/<id>.
class Bundles {
 public:
  /// A configuration is some 10 to 50 kB; of a larger one than this nothing is read.
  static constexpr std::size_t max_config_bytes = std::size_t{1} << 20;

  explicit Bundles(std::string run_root) : run_root_(std::move(run_root)) {}

  /// Nothing if there is no bundle of that id.
  std::optional<Result<BundleNames>> find(const ContainerId& id) const;

  /// The sandbox and those of the containers whose bundles say that they belong to it. Nothing if the sandbox has no
  /// bundle that can be read; why is then in the log.
  std::optional<SandboxNames> names(const ContainerId& sandbox, const std::set<ContainerId>& containers) const;

 private:
  std::optional<std::string> config_path(const ContainerId& id) const;
  std::optional<std::string> docker_path(const ContainerId& id) const;

  std::string run_root_;
};

}  // namespace katameter::host
