#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "host-probe/pods/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

/// What the annotations of one container's OCI bundle say. Texts are fit for labels, empty where there is no annotation.
struct BundleNames {
  ContainerId sandbox;
  std::string pod_namespace;
  std::string pod;
  std::string uid;
  std::string container;  // empty for the pause container
  std::string image;
  std::string runtime_handler;
};

/// Reads the text of a bundle's config.json, as containerd or CRI-O has written it. An error if it is no JSON, has not
/// the form of an OCI configuration, or names no sandbox.
Result<BundleNames> parse_bundle(std::string_view config);

/// Finds bundles below the run root, where containerd and CRI-O keep those of running containers:
/// containerd/io.containerd.runtime.v2.task/<namespace>/<id> and containers/storage/overlay-containers/<id>/userdata.
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

  std::string run_root_;
};

}  // namespace katameter::host
