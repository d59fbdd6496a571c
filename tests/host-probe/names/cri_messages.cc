#include "host-probe/names/cri_messages.h"

#include <cri.pb.h>

#include <catch2/catch.hpp>
#include <random>

using namespace katameter;
using namespace katameter::host;

// protoc's code writes, ours reads: cri.proto is the contract.

namespace {

std::string some_pods() {
  cri::ListPodSandboxResponse answer;
  cri::PodSandbox& pod = *answer.add_items();
  pod.set_id("an id");
  pod.mutable_metadata()->set_name("web-0");
  pod.mutable_metadata()->set_namespace_("shop");
  pod.set_runtime_handler("kata");
  answer.add_items()->set_id("another");
  return answer.SerializeAsString();
}

std::string some_containers() {
  cri::ListContainersResponse answer;
  cri::Container& container = *answer.add_containers();
  container.set_id("an id");
  container.set_pod_sandbox_id("a pod's");
  container.mutable_metadata()->set_name("app");
  container.mutable_image()->set_image("sha256:1");
  container.mutable_image()->set_user_specified_image("nginx:1.21");
  container.set_image_ref("sha256:2");
  container.set_image_id("sha256:3");
  return answer.SerializeAsString();
}

std::string some_images() {
  cri::ListImagesResponse answer;
  cri::Image& image = *answer.add_images();
  image.set_id("sha256:1");
  image.add_repo_tags("nginx:1.21");
  image.add_repo_tags("nginx:latest");
  image.add_repo_digests("nginx@sha256:4");
  image.set_pinned(true);
  answer.add_images()->set_id("sha256:5");
  return answer.SerializeAsString();
}

}  // namespace

TEST_CASE("pods are read as the schema says") {
  CriListing listing;
  REQUIRE(decode_pods(some_pods(), listing));
  REQUIRE(listing.pods.size() == 2);
  CHECK(listing.pods[0].id == "an id");
  CHECK(listing.pods[0].name == "web-0");
  CHECK(listing.pods[0].pod_namespace == "shop");
  CHECK(listing.pods[0].runtime_handler == "kata");
  CHECK(listing.pods[1].id == "another");
  CHECK(listing.pods[1].name.empty());
}

TEST_CASE("containers are read as the schema says") {
  CriListing listing;
  REQUIRE(decode_containers(some_containers(), listing));
  REQUIRE(listing.containers.size() == 1);
  const CriListing::Container& container = listing.containers[0];
  CHECK(container.id == "an id");
  CHECK(container.pod_id == "a pod's");
  CHECK(container.name == "app");
  CHECK(container.image == "sha256:1");
  CHECK(container.specified_image == "nginx:1.21");
  CHECK(container.image_ref == "sha256:2");
  CHECK(container.image_id == "sha256:3");
}

TEST_CASE("images are read as the schema says") {
  CriListing listing;
  REQUIRE(decode_images(some_images(), listing));
  REQUIRE(listing.images.size() == 2);
  CHECK(listing.images[0].id == "sha256:1");
  CHECK(listing.images[0].tags == std::vector<std::string>{"nginx:1.21", "nginx:latest"});
  CHECK(listing.images[0].digests == std::vector<std::string>{"nginx@sha256:4"});
  CHECK(listing.images[0].pinned);
  CHECK_FALSE(listing.images[1].pinned);
}

TEST_CASE("an empty answer is an empty list") {
  CriListing listing;
  CHECK(decode_pods("", listing));
  CHECK(decode_containers("", listing));
  CHECK(decode_images("", listing));
  CHECK(listing.pods.empty());
}

TEST_CASE("an answer that is cut off is an error, wherever it is cut") {
  const std::string whole = some_containers();
  for (std::size_t length = 1; length < whole.size(); ++length) {
    CriListing listing;
    const Status status = decode_containers(whole.substr(0, length), listing);
    CAPTURE(length);
    REQUIRE_FALSE(status);
    CHECK_THAT(status.error().text, Catch::Contains("protobuf"));
  }
}

TEST_CASE("whatever comes instead of an answer does no harm") {
  std::minstd_rand random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = round % 3 == 0 ? some_pods() : round % 3 == 1 ? some_containers() : some_images();
    for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    CriListing listing;
    for (const auto decode : {decode_pods, decode_containers, decode_images}) {
      static_cast<void>(decode(bytes, listing).has_value());
    }
  }
}
