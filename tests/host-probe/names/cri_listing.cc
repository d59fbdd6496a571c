#include "host-probe/names/cri_listing.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace katameter::host;

namespace {

const std::string pod_hex(64, 'a');
const std::string other_hex(64, 'b');
const std::string app_hex(64, '1');
const ContainerId pod_id = *ContainerId::from_hex(pod_hex);
const ContainerId other_id = *ContainerId::from_hex(other_hex);
const ContainerId app_id = *ContainerId::from_hex(app_hex);
const std::string image_id = "sha256:" + std::string(64, 'e');

CriListing listing_of(const CriListing::Container& container) {
  CriListing listing;
  listing.pods = {{pod_hex, "shop", "web-0", "kata"}, {other_hex, "shop", "db-0", ""}};
  listing.containers = {container};
  listing.images = {
      {image_id, {"docker.io/library/nginx:1.21", "nginx:same"}, {"docker.io/library/nginx@sha256:1"}, false},
      {"sha256:pause", {"registry.k8s.io/pause:3.9"}, {}, true}};
  return listing;
}

std::string image_of(const CriListing::Container& container) {
  return names_in(listing_of(container), {{pod_id, {}}}).at(pod_id).containers.at(app_id).image;
}

}  // namespace

TEST_CASE("names of the sandboxes that were asked for, with all of their containers") {
  const NamesBySandbox names =
      names_in(listing_of({app_hex, pod_hex, "app", image_id, image_id, "", ""}), {{pod_id, {}}});
  REQUIRE(names.size() == 1);
  const SandboxNames& sandbox = names.at(pod_id);
  CHECK(sandbox.pod == "web-0");
  CHECK(sandbox.pod_namespace == "shop");
  CHECK(sandbox.runtime_handler == "kata");
  CHECK(sandbox.image == "registry.k8s.io/pause:3.9");
  CHECK(sandbox.containers.at(app_id).name == "app");
}

TEST_CASE("a container is found under its own pod only, whoever claims it") {
  const NamesBySandbox names =
      names_in(listing_of({app_hex, other_hex, "app", "", "", "", ""}), {{pod_id, {app_id}}, {other_id, {}}});
  CHECK(names.at(pod_id).containers.empty());
  CHECK(names.at(other_id).containers.contains(app_id));
}

TEST_CASE("an image is called by its first tag, whatever the container was made from") {
  CHECK(image_of({app_hex, pod_hex, "app", image_id, "", "", ""}) == "docker.io/library/nginx:1.21");
  CHECK(image_of({app_hex, pod_hex, "app", "nginx", image_id, "", ""}) == "docker.io/library/nginx:1.21");
  CHECK(image_of({app_hex, pod_hex, "app", "nginx", "docker.io/library/nginx@sha256:1", "", ""}) ==
        "docker.io/library/nginx:1.21");
  CHECK(image_of({app_hex, pod_hex, "app", "nginx", "x", image_id, "nginx:1.21"}) == "docker.io/library/nginx:1.21");
}

TEST_CASE("an image that the runtime does not list any more is called as the pod called it") {
  CHECK(image_of({app_hex, pod_hex, "app", "sha256:gone", "sha256:gone", "", "nginx:1.21"}) == "nginx:1.21");
  CHECK(image_of({app_hex, pod_hex, "app", "nginx:1.20", "sha256:gone", "", ""}) == "nginx:1.20");
}

TEST_CASE("an image without a tag is called by its digest") {
  CriListing listing = listing_of({app_hex, pod_hex, "app", image_id, "", "", ""});
  listing.images[0].tags.clear();
  CHECK(names_in(listing, {{pod_id, {}}}).at(pod_id).containers.at(app_id).image == "docker.io/library/nginx@sha256:1");
}

TEST_CASE("which image is the pause image is not guessed") {
  CriListing listing = listing_of({app_hex, pod_hex, "app", "", "", "", ""});
  listing.images[0].pinned = true;
  CHECK(names_in(listing, {{pod_id, {}}}).at(pod_id).image.empty());
  listing.images[0].pinned = listing.images[1].pinned = false;
  CHECK(names_in(listing, {{pod_id, {}}}).at(pod_id).image.empty());
}

TEST_CASE("names that are no names, and ids that are no ids, cost nobody else anything") {
  CriListing listing = listing_of({app_hex, pod_hex, "a\xffpp", "im\nage", "", "", ""});
  listing.pods.push_back({"not an id", "shop", "x", ""});
  listing.containers.push_back({"short", pod_hex, "y", "", "", "", ""});
  listing.containers.push_back({std::string(64, '2'), "nonsense", "z", "", "", "", ""});
  const NamesBySandbox names = names_in(listing, {{pod_id, {}}, {other_id, {}}});
  CHECK(names.size() == 2);
  CHECK(names.at(pod_id).containers == std::map<ContainerId, SandboxNames::Container>{{app_id, {"", ""}}});
}
