#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "host-probe/pods/container_stats.h"
#include "host-probe/pods/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

/// Where a container runtime answers: the path of its socket.
struct RuntimeEndpoint {
  std::string socket;
  bool configured = false;  // asked for by the operator; else a place that is tried, where there may be nothing
};

/// In place of an endpoint: no runtime is asked.
inline constexpr std::string_view no_runtime = "none";

/// A path beside the run root: below / for /run, below /host for /host/run.
std::string beside(const std::string& run_root, const std::string& path);
/// What MicroK8s has in place of the run root.
std::string microk8s_run(const std::string& run_root);

/// The path in `unix:///path` or `/path`; other forms are errors that say so.
Result<std::string> parse_runtime_endpoint(std::string_view text);

/// The configured endpoints or, without any, where containerd, CRI-O and the containerds of k3s, k0s and MicroK8s listen.
/// `configured` holds what parse_runtime_endpoint() has let pass, or no_runtime alone: then there is none.
std::vector<RuntimeEndpoint> runtime_endpoints(const std::vector<std::string>& configured, const std::string& run_root);

/// What a runtime has listed, as it listed it.
struct CriListing {
  struct Pod {
    std::string id;
    std::string pod_namespace;
    std::string name;
    std::string runtime_handler;
    std::string uid{};
    bool ready = true;  // else it has ended
  };
  struct Container {
    std::string id;
    std::string pod_id;
    std::string name;
    std::string image;            // as asked for: a name or an image's id
    std::string image_ref;        // id or digest
    std::string image_id;         // id; empty from older runtimes
    std::string specified_image;  // as in the pod's specification; empty from older runtimes
  };
  struct Image {
    std::string id;
    std::vector<std::string> tags;
    std::vector<std::string> digests;
    bool pinned = false;
  };
  std::vector<Pod> pods;
  /// Whether a runtime handler is one of Kata's, by the runtime's configuration; "": the default one. containerd has it,
  /// CRI-O does not: then it is empty.
  std::map<std::string, bool> kata_handlers;
  std::vector<Container> containers;
  std::vector<Image> images;
  struct Stats {
    std::string container_id;
    ContainerStats values;  // without the id
  };
  std::vector<Stats> stats;
};

/// The names of the sandboxes in `request`, all of their containers included. An image is called as the pod calls it; where
/// the runtime does not know that (older kubelets ask by the image's id) by its first tag, without one by its first
/// digest. The pause image is the one that the runtime has pinned, if there is just one.
NamesBySandbox names_in(const CriListing& listing, const LookupRequest& request);

/// Whether an image of a container in one of these sandboxes is known by its id only, and that id is not among
/// `listing.images`.
bool needs_images(const CriListing& listing, const LookupRequest& request);

/// The statistics of a listing, by the pods of its containers. Those of a container that the listing does not have are
/// nobody's.
StatsBySandbox stats_in(const CriListing& listing);

/// The pods of a listing that run.
std::vector<RunningPod> running_in(const CriListing& listing);

// Read the answers of CRI that cri.proto describes; what they hold is added to `listing`. Fields that are not in it are
// skipped. An error if the bytes are not a protobuf message; `listing` may then have some.
Status decode_pods(std::string_view answer, CriListing& listing);
Status decode_status(std::string_view answer, CriListing& listing);
Status decode_containers(std::string_view answer, CriListing& listing);
Status decode_images(std::string_view answer, CriListing& listing);
Status decode_stats(std::string_view answer, CriListing& listing);

}  // namespace katameter::host
