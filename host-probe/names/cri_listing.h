#pragma once

#include <string>
#include <vector>

#include "host-probe/names/sandbox_names.h"

namespace katameter::host {

/// What a runtime has listed, as it said it.
struct CriListing {
  struct Pod {
    std::string id;
    std::string pod_namespace;
    std::string name;
    std::string runtime_handler;
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
  std::vector<Container> containers;
  std::vector<Image> images;
};

/// The names of the sandboxes in `question`, all of their containers included. An image is called as cAdvisor calls
/// it: by its first tag, without one by its first digest, whatever the container was made from. The pause image is the
/// one that the runtime has pinned, if there is just one.
NamesBySandbox names_in(const CriListing& listing, const NameQuestion& question);

}  // namespace katameter::host
