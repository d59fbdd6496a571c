#include "host-probe/names/cri_listing.h"

#include <algorithm>
#include <string_view>

#include "host-probe/names/label_text.h"

namespace katameter::host {
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

NamesBySandbox names_in(const CriListing& listing, const NameQuestion& question) {
  NamesBySandbox names;
  const std::string pause = pause_image(listing.images);
  for (const CriListing::Pod& pod : listing.pods) {
    const auto id = ContainerId::from_hex(pod.id);
    if (!id || !question.contains(*id)) continue;
    SandboxNames& sandbox = names[*id];
    sandbox.pod_namespace = label_text(pod.pod_namespace);
    sandbox.pod = label_text(pod.name);
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

}  // namespace katameter::host
