#include "host-probe/pods/cri.h"

#include <algorithm>
#include <protozero/exception.hpp>
#include <protozero/pbf_message.hpp>
#include <string>
#include <string_view>

#include "host-probe/pods/sandbox_names.h"

namespace katameter::host {

Result<std::string> parse_runtime_endpoint(std::string_view text) {
  constexpr std::string_view scheme = "unix://";
  std::string_view path = text;
  if (path.starts_with(scheme)) path.remove_prefix(scheme.size());
  if (!path.starts_with('/') || path.size() == 1) {
    return failure("'" + std::string(text) +
                   "' is no Unix socket; write it as in unix:///run/containerd/containerd.sock");
  }
  return std::string(path);
}

std::vector<RuntimeEndpoint> runtime_endpoints(const std::vector<std::string>& configured,
                                               const std::string& run_root) {
  std::vector<RuntimeEndpoint> endpoints;
  for (const std::string& text : configured) {
    if (auto socket = parse_runtime_endpoint(text)) endpoints.push_back({std::move(*socket), true});
  }
  if (!endpoints.empty()) return endpoints;
  for (const char* usual : {"/containerd/containerd.sock", "/crio/crio.sock", "/k3s/containerd/containerd.sock"}) {
    endpoints.push_back({run_root + usual, false});
  }
  return endpoints;
}

namespace {

const std::string* name_of(const CriListing::Image& image) {
  if (!image.tags.empty()) return &image.tags.front();
  return image.digests.empty() ? nullptr : &image.digests.front();
}

using ImageNames = std::map<std::string_view, const std::string*>;  // by id and by digest

ImageNames image_names(const std::vector<CriListing::Image>& images) {
  ImageNames names;
  for (const CriListing::Image& image : images) {
    const std::string* name = name_of(image);
    if (name == nullptr) continue;
    names.emplace(image.id, name);
    for (const std::string& digest : image.digests) names.emplace(digest, name);
  }
  return names;
}

std::string image_of(const CriListing::Container& container, const ImageNames& names) {
  for (const std::string* key : {&container.image_id, &container.image_ref, &container.image}) {
    const auto found = key->empty() ? names.end() : names.find(*key);
    if (found != names.end()) return label_text(*found->second);
  }
  return label_text(container.specified_image.empty() ? container.image : container.specified_image);
}

std::string pause_image(const std::vector<CriListing::Image>& images) {
  const auto pinned = [](const CriListing::Image& image) { return image.pinned && name_of(image) != nullptr; };
  const auto found = std::ranges::find_if(images, pinned);
  if (found == images.end() || std::count_if(std::next(found), images.end(), pinned) > 0) return {};
  return label_text(*name_of(*found));
}

}  // namespace

NamesBySandbox names_in(const CriListing& listing, const LookupRequest& request) {
  NamesBySandbox names;
  const std::string pause = pause_image(listing.images);
  for (const CriListing::Pod& pod : listing.pods) {
    const auto id = ContainerId::from_hex(pod.id);
    if (!id || !request.contains(*id)) continue;
    SandboxNames& sandbox = names[*id];
    sandbox.pod_namespace = label_text(pod.pod_namespace);
    sandbox.pod = label_text(pod.name);
    sandbox.uid = label_text(pod.uid);
    sandbox.runtime_handler = label_text(pod.runtime_handler);
    sandbox.image = pause;
  }
  const ImageNames images = image_names(listing.images);
  for (const CriListing::Container& container : listing.containers) {
    const auto id = ContainerId::from_hex(container.id);
    const auto pod_id = ContainerId::from_hex(container.pod_id);
    if (!id || !pod_id) continue;
    const auto sandbox = names.find(*pod_id);
    if (sandbox == names.end()) continue;
    sandbox->second.containers[*id] = {label_text(container.name), image_of(container, images)};
  }
  return names;
}

namespace {

using Reader = protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

// A field of another type than it should be is passed over with the fields that nobody here knows.
constexpr std::uint32_t bytes(std::uint32_t tag) {
  return tag_and_type(tag, pbf_wire_type::length_delimited);
}

CriListing::Pod read_pod(Reader in) {
  CriListing::Pod pod;
  while (in.next()) {
    switch (in.tag_and_type()) {
      case bytes(1): pod.id = in.get_string(); break;
      case bytes(2): {
        Reader metadata = in.get_message();
        while (metadata.next()) {
          switch (metadata.tag_and_type()) {
            case bytes(1): pod.name = metadata.get_string(); break;
            case bytes(2): pod.uid = metadata.get_string(); break;
            case bytes(3): pod.pod_namespace = metadata.get_string(); break;
            default: metadata.skip();
          }
        }
        break;
      }
      case bytes(7): pod.runtime_handler = in.get_string(); break;
      default: in.skip();
    }
  }
  return pod;
}

void read_image_spec(Reader in, CriListing::Container& container) {
  while (in.next()) {
    switch (in.tag_and_type()) {
      case bytes(1): container.image = in.get_string(); break;
      case bytes(18): container.specified_image = in.get_string(); break;
      default: in.skip();
    }
  }
}

CriListing::Container read_container(Reader in) {
  CriListing::Container container;
  while (in.next()) {
    switch (in.tag_and_type()) {
      case bytes(1): container.id = in.get_string(); break;
      case bytes(2): container.pod_id = in.get_string(); break;
      case bytes(3): {
        Reader metadata = in.get_message();
        while (metadata.next(1, pbf_wire_type::length_delimited)) container.name = metadata.get_string();
        break;
      }
      case bytes(4): read_image_spec(in.get_message(), container); break;
      case bytes(5): container.image_ref = in.get_string(); break;
      case bytes(10): container.image_id = in.get_string(); break;
      default: in.skip();
    }
  }
  return container;
}

CriListing::Image read_image(Reader in) {
  CriListing::Image image;
  while (in.next()) {
    switch (in.tag_and_type()) {
      case bytes(1): image.id = in.get_string(); break;
      case bytes(2): image.tags.push_back(in.get_string()); break;
      case bytes(3): image.digests.push_back(in.get_string()); break;
      case tag_and_type(8, pbf_wire_type::varint): image.pinned = in.get_uint64() != 0; break;
      default: in.skip();
    }
  }
  return image;
}

/// All of these answers are a list in field 1.
template <typename Item, typename Read>
Status decode_list(std::string_view answer, std::vector<Item>& items, Read read) {
  try {
    Reader in(answer.data(), answer.size());
    while (in.next(1, pbf_wire_type::length_delimited)) items.push_back(read(in.get_message()));
    return {};
  } catch (const protozero::exception& error) {
    return failure(std::string("its answer is no protobuf message: ") + error.what());
  }
}

}  // namespace

Status decode_pods(std::string_view answer, CriListing& listing) {
  return decode_list(answer, listing.pods, read_pod);
}

Status decode_containers(std::string_view answer, CriListing& listing) {
  return decode_list(answer, listing.containers, read_container);
}

Status decode_images(std::string_view answer, CriListing& listing) {
  return decode_list(answer, listing.images, read_image);
}

}  // namespace katameter::host
