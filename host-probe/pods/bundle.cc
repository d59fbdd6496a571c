#include "host-probe/pods/bundle.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "host-probe/pods/cri.h"
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

BundleNames names_of(const json& annotations, const std::optional<ContainerId>& sandbox) {
  const auto text = [&](std::initializer_list<const char*> keys) { return label_text(annotation(annotations, keys)); };
  BundleNames names;
  if (!sandbox) {
    names.container = text({"nerdctl/name"});
    return names;
  }
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

Result<json> parse_object(std::string_view text) {
  try {
    json parsed = json::parse(text);
    if (parsed.is_object()) return parsed;
    return failure("not a JSON object");
  } catch (const json::exception& error) {
    return failure(std::string("not valid JSON: ") + error.what());
  }
}

}  // namespace

Result<BundleNames> parse_bundle(std::string_view config) {
  const Result<json> parsed = parse_object(config);
  if (!parsed) return failure_from(parsed.error());
  const auto annotations = parsed->find("annotations");
  if (annotations == parsed->end() || !annotations->is_object()) return failure("it has no annotations");
  const auto sandbox = ContainerId::from_hex(
      annotation(*annotations, {"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"}));
  if (!sandbox && annotation(*annotations, {"nerdctl/name"}).empty()) {
    return failure("its annotations name no sandbox: it is neither of a Kubernetes pod nor nerdctl's");
  }
  return names_of(*annotations, sandbox);
}

Result<BundleNames> parse_docker(std::string_view config) {
  const Result<json> parsed = parse_object(config);
  if (!parsed) return failure_from(parsed.error());
  std::string name = annotation(*parsed, {"Name"});
  if (name.starts_with('/')) name.erase(0, 1);
  BundleNames names;
  names.container = label_text(name);
  if (names.container.empty()) return failure("it has no name of a container");
  const auto made_from = parsed->find("Config");
  if (made_from != parsed->end() && made_from->is_object()) names.image = label_text(annotation(*made_from, {"Image"}));
  return names;
}

std::optional<std::string> Bundles::docker_path(const ContainerId& id) const {
  const std::string path = beside(run_root_, "var/lib/docker/containers/" + id.hex() + "/config.v2.json");
  std::error_code error;
  return std::filesystem::exists(path, error) ? std::optional(path) : std::nullopt;
}

std::optional<std::string> Bundles::config_path(const ContainerId& id) const {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto existing = [&](const fs::path& directory) -> std::optional<std::string> {
    const fs::path config = directory / "config.json";
    return fs::exists(config, error) ? std::optional(config.string()) : std::nullopt;
  };
  const fs::path root(run_root_);
  for (const fs::path& state : {root / "containerd", root / "k3s/containerd", root / "k0s/containerd",
                                root / "docker/containerd/daemon", fs::path(microk8s_run(run_root_)) / "containerd"}) {
    // As many as containerd has clients: k8s.io, perhaps moby or default.
    fs::directory_iterator name_spaces(state / "io.containerd.runtime.v2.task", error);
    for (; !error && name_spaces != fs::directory_iterator(); name_spaces.increment(error)) {
      if (auto found = existing(name_spaces->path() / id.hex())) return found;
    }
  }
  return existing(root / "containers/storage/overlay-containers" / id.hex() / "userdata");
}

std::optional<Result<BundleNames>> Bundles::find(const ContainerId& id) const {
  const auto docker = docker_path(id);
  const auto path = docker ? docker : config_path(id);
  if (!path) return std::nullopt;
  auto text = read_config(*path);
  if (!text) return Result<BundleNames>(failure_from(std::move(text.error())));
  auto names = docker ? parse_docker(*text) : parse_bundle(*text);
  if (!names) return Result<BundleNames>(failure_from(std::move(names.error()), *path));
  if (!names->sandbox) names->sandbox = id;
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
  names.container = (*of_pod)->container;
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
