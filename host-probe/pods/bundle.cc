#include "host-probe/pods/bundle.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "host-probe/pods/sandbox_names.h"
#include "userspace/fd.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

using nlohmann::json;

/// The first of these annotations that is there; containerd's key, then CRI-O's.
std::string annotation(const json& annotations, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = annotations.find(key);
    if (found != annotations.end() && found->is_string()) return found->get_ref<const std::string&>();
  }
  return {};
}

BundleNames names_of(const json& annotations, const ContainerId& sandbox) {
  const auto text = [&](std::initializer_list<const char*> keys) { return label_text(annotation(annotations, keys)); };
  BundleNames names;
  names.sandbox = sandbox;
  names.pod_namespace = text({"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"});
  names.pod = text({"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"});
  names.uid = text({"io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"});
  names.runtime_handler = text({"io.kubernetes.cri-o.RuntimeHandler"});
  // CRI-O calls the pause container POD; its own ContainerName is a compound of five names.
  const bool pause =
      annotation(annotations, {"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"}) == "sandbox";
  if (pause) {
    names.image = text({"io.kubernetes.cri.podsandbox.image-name", "io.kubernetes.cri-o.ImageName"});
  } else {
    names.container = text({"io.kubernetes.cri.container-name", "io.kubernetes.container.name"});
    names.image = text({"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"});
  }
  return names;
}

Result<std::string> read_config(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return system_failure("cannot open " + path);
  if (!S_ISREG(status.st_mode)) return failure(path + " is not a regular file");
  Result<std::string> text = read_file(path, Bundles::max_config_bytes + 1);
  if (text && text->size() > Bundles::max_config_bytes) {
    return failure(path + " is larger than " + std::to_string(Bundles::max_config_bytes) + " bytes");
  }
  return text;
}

}  // namespace

Result<BundleNames> parse_bundle(std::string_view config) {
  json parsed;
  try {
    parsed = json::parse(config);
  } catch (const json::exception& error) {
    return failure(std::string("not valid JSON: ") + error.what());
  }
  const auto annotations = parsed.is_object() ? parsed.find("annotations") : parsed.end();
  if (annotations == parsed.end() || !annotations->is_object()) return failure("it has no annotations");
  const auto sandbox = ContainerId::from_hex(
      annotation(*annotations, {"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"}));
  if (!sandbox) return failure("its annotations name no sandbox: it is not of a Kubernetes pod");
  return names_of(*annotations, *sandbox);
}

std::optional<std::string> Bundles::config_path(const ContainerId& id) const {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto existing = [&](const fs::path& directory) -> std::optional<std::string> {
    const fs::path config = directory / "config.json";
    return fs::exists(config, error) ? std::optional(config.string()) : std::nullopt;
  };
  for (const char* tasks :
       {"containerd/io.containerd.runtime.v2.task", "k3s/containerd/io.containerd.runtime.v2.task"}) {
    // As many as containerd has clients: k8s.io, perhaps moby or default.
    fs::directory_iterator name_spaces(fs::path(run_root_) / tasks, error);
    for (; !error && name_spaces != fs::directory_iterator(); name_spaces.increment(error)) {
      if (auto found = existing(name_spaces->path() / id.hex())) return found;
    }
  }
  return existing(fs::path(run_root_) / "containers/storage/overlay-containers" / id.hex() / "userdata");
}

std::optional<Result<BundleNames>> Bundles::find(const ContainerId& id) const {
  const auto path = config_path(id);
  if (!path) return std::nullopt;
  auto text = read_config(*path);
  if (!text) return Result<BundleNames>(failure_from(std::move(text.error())));
  auto names = parse_bundle(*text);
  if (!names) return Result<BundleNames>(failure_from(std::move(names.error()), *path));
  return names;
}

std::optional<SandboxNames> Bundles::names(const ContainerId& sandbox, const std::set<ContainerId>& containers) const {
  const auto of_pod = find(sandbox);
  if (!of_pod) return std::nullopt;
  if (!*of_pod || (*of_pod)->sandbox != sandbox) {
    log_debug("no names from a sandbox's bundle",
              {{"sandbox", sandbox.hex()}, {"error", *of_pod ? "it is not a sandbox's" : of_pod->error().text}});
    return std::nullopt;
  }
  SandboxNames names;
  names.from_bundle = true;
  names.pod_namespace = (*of_pod)->pod_namespace;
  names.pod = (*of_pod)->pod;
  names.uid = (*of_pod)->uid;
  names.runtime_handler = (*of_pod)->runtime_handler;
  names.image = (*of_pod)->image;
  for (const ContainerId& container : containers) {
    const auto bundle = find(container);
    if (!bundle) continue;
    if (!*bundle) {
      log_debug("no name from a container's bundle", {{"container", container.hex()}, {"error", bundle->error().text}});
    } else if ((*bundle)->sandbox == sandbox) {
      names.containers[container] = {(*bundle)->container, (*bundle)->image};
    }
  }
  return names;
}

}  // namespace katameter::host
