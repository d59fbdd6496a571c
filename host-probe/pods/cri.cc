#include "host-probe/pods/cri.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <protozero/exception.hpp>
#include <protozero/pbf_message.hpp>
#include <string>
#include <string_view>

#include "host-probe/pods/sandbox_names.h"

namespace katameter::host {

std::string beside(const std::string& run_root, const std::string& path) {
  std::filesystem::path root = std::filesystem::path(run_root).lexically_normal();
  if (!root.has_filename()) root = root.parent_path();  // what a trailing slash leaves
  return (root.parent_path() / path).string();
}

std::string microk8s_run(const std::string& run_root) {
  return beside(run_root, "var/snap/microk8s/common/run");
}

Result<std::string> parse_runtime_endpoint(std::string_view text) {
  constexpr std::string_view scheme = "unix://";
  std::string_view path = text;
  if (path.starts_with(scheme)) path.remove_prefix(scheme.size());
  if (!path.starts_with('/') || path.size() == 1) {
    return failure("'" + std::string(text) +
                   "' is not a Unix socket; write it as in unix:///run/containerd/containerd.sock");
  }
  return std::string(path);
}

std::vector<RuntimeEndpoint> runtime_endpoints(const std::vector<std::string>& configured,
                                               const std::string& run_root) {
  std::vector<RuntimeEndpoint> endpoints;
  for (const std::string& text : configured) {
    if (text == no_runtime) continue;
    if (auto socket = parse_runtime_endpoint(text)) endpoints.push_back({std::move(*socket), true});
  }
  if (!configured.empty()) return endpoints;
  for (const char* usual :
       {"/containerd/containerd.sock", "/crio/crio.sock", "/k3s/containerd/containerd.sock", "/k0s/containerd.sock"}) {
    endpoints.push_back({run_root + usual, false});
  }
  endpoints.push_back({microk8s_run(run_root) + "/containerd.sock", false});
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

// An id or a digest tells nobody which image it is: 64 hex digits, as in sha256:..., ...@sha256:... or alone.
bool is_readable(std::string_view image) {
  return !image.empty() && image.find("sha256:") == std::string_view::npos && !ContainerId::from_hex(image);
}

// As the pod calls it; null where the runtime does not know that.
const std::string* own_image_of(const CriListing::Container& container) {
  if (!container.specified_image.empty()) return &container.specified_image;
  return is_readable(container.image) ? &container.image : nullptr;
}

const std::string* listed_image_of(const CriListing::Container& container, const ImageNames& names) {
  for (const std::string* key : {&container.image_id, &container.image_ref, &container.image}) {
    const auto found = key->empty() ? names.end() : names.find(*key);
    if (found != names.end()) return found->second;
  }
  return nullptr;
}

std::string image_of(const CriListing::Container& container, const ImageNames& names) {
  const std::string* image = own_image_of(container);
  if (image == nullptr) image = listed_image_of(container, names);
  return label_text(image != nullptr ? *image : container.image);
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

bool needs_images(const CriListing& listing, const LookupRequest& request) {
  const ImageNames names = image_names(listing.images);
  return std::ranges::any_of(listing.containers, [&](const CriListing::Container& container) {
    const auto pod = ContainerId::from_hex(container.pod_id);
    return pod && request.contains(*pod) && own_image_of(container) == nullptr &&
           listed_image_of(container, names) == nullptr;
  });
}

StatsBySandbox stats_in(const CriListing& listing) {
  std::map<std::string_view, ContainerId> pods;  // by container
  for (const CriListing::Container& container : listing.containers) {
    if (const auto pod = ContainerId::from_hex(container.pod_id)) pods.emplace(container.id, *pod);
  }
  StatsBySandbox by_sandbox;
  for (const CriListing::Stats& of : listing.stats) {
    const auto id = ContainerId::from_hex(of.container_id);
    const auto pod = pods.find(of.container_id);
    if (!id || pod == pods.end()) continue;
    ContainerStats& added = by_sandbox[pod->second].emplace_back(of.values);
    added.id = *id;
  }
  for (auto& [pod, containers] : by_sandbox) {
    std::ranges::sort(containers, {}, &ContainerStats::id);
    const auto same = [](const ContainerStats& a, const ContainerStats& b) { return a.id == b.id; };
    containers.erase(std::unique(containers.begin(), containers.end(), same), containers.end());
  }
  return by_sandbox;
}

std::vector<RunningPod> running_in(const CriListing& listing) {
  std::vector<RunningPod> running;
  for (const CriListing::Pod& pod : listing.pods) {
    const auto id = ContainerId::from_hex(pod.id);
    if (!id || !pod.ready) continue;
    const auto kind = listing.kata_handlers.find(pod.runtime_handler);
    running.push_back(
        {*id, pod.runtime_handler, kind == listing.kata_handlers.end() ? std::nullopt : std::optional(kind->second)});
  }
  return running;
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
      case tag_and_type(3, pbf_wire_type::varint): pod.ready = in.get_uint64() == 0; break;
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

// A UInt64Value; an empty one is 0.
std::uint64_t read_value(Reader in) {
  std::uint64_t value = 0;
  while (in.next(1, pbf_wire_type::varint)) value = in.get_uint64();
  return value;
}

/// Reads the fields of a message that are UInt64Values into the members that `fields` has for their numbers.
void read_values(Reader in, std::initializer_list<std::pair<std::uint32_t, ContainerStats::Value*>> fields) {
  while (in.next()) {
    const auto field = std::ranges::find(fields, in.tag_and_type(), [](const auto& item) { return bytes(item.first); });
    if (field == fields.end()) {
      in.skip();
    } else {
      *field->second = read_value(in.get_message());
    }
  }
}

CriListing::Stats read_stats(Reader in) {
  CriListing::Stats stats;
  ContainerStats& values = stats.values;
  while (in.next()) {
    switch (in.tag_and_type()) {
      case bytes(1): {
        Reader attributes = in.get_message();
        while (attributes.next(1, pbf_wire_type::length_delimited)) stats.container_id = attributes.get_string();
        break;
      }
      case bytes(2): read_values(in.get_message(), {{2, &values.cpu_ns}}); break;
      case bytes(3):
        read_values(in.get_message(), {{2, &values.working_set_bytes},
                                       {4, &values.usage_bytes},
                                       {5, &values.rss_bytes},
                                       {6, &values.page_faults},
                                       {7, &values.major_page_faults}});
        break;
      case bytes(4): read_values(in.get_message(), {{3, &values.layer_bytes}, {4, &values.layer_inodes}}); break;
      default: in.skip();
    }
  }
  return stats;
}

/// All of these answers are a list in field 1.
template <typename Item, typename Read>
Status decode_list(std::string_view answer, std::vector<Item>& items, Read read) {
  try {
    Reader in(answer.data(), answer.size());
    while (in.next(1, pbf_wire_type::length_delimited)) items.push_back(read(in.get_message()));
    return {};
  } catch (const protozero::exception& error) {
    return failure(std::string("its answer is not a protobuf message: ") + error.what());
  }
}

}  // namespace

Status decode_pods(std::string_view answer, CriListing& listing) {
  return decode_list(answer, listing.pods, read_pod);
}

namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// By the shim's file: what containerd is told to run (runtime_path), else what it makes of io.containerd.NAME.v2. Kata's
// shims begin alike, whatever the handler is called.
bool is_kata(const json& runtime) {
  constexpr std::string_view type_prefix = "io.containerd.";
  constexpr std::string_view shim_prefix = "containerd-shim-";
  constexpr std::string_view kata = "kata";
  const std::string path = text_of(runtime, "runtimePath");
  std::string_view file = std::string_view(path).substr(path.rfind('/') + 1);
  if (file.starts_with(shim_prefix)) return file.substr(shim_prefix.size()).starts_with(kata);
  const std::string type = text_of(runtime, "runtimeType");
  return type.starts_with(type_prefix) && std::string_view(type).substr(type_prefix.size()).starts_with(kata);
}

// Of containerd's configuration (internal/cri/config: ContainerdConfig) the handlers.
void read_config(std::string_view text, CriListing& listing) {
  const json config = json::parse(text, nullptr, false);
  const auto containerd = config.is_object() ? config.find("containerd") : config.end();
  if (containerd == config.end() || !containerd->is_object()) return;
  const auto runtimes = containerd->find("runtimes");
  if (runtimes == containerd->end() || !runtimes->is_object()) return;
  const std::string default_name = text_of(*containerd, "defaultRuntimeName");
  for (const auto& [handler, runtime] : runtimes->items()) {
    if (!runtime.is_object()) continue;
    listing.kata_handlers[handler] = is_kata(runtime);
    if (handler == default_name) listing.kata_handlers[""] = is_kata(runtime);
  }
}

void read_info(Reader entry, CriListing& listing) {
  std::string key;
  protozero::data_view value;
  while (entry.next()) {
    switch (entry.tag_and_type()) {
      case bytes(1): key = entry.get_string(); break;
      case bytes(2): value = entry.get_view(); break;
      default: entry.skip();
    }
  }
  if (key == "config") read_config({value.data(), value.size()}, listing);
}

}  // namespace

Status decode_status(std::string_view answer, CriListing& listing) {
  try {
    Reader in(answer.data(), answer.size());
    while (in.next(2, pbf_wire_type::length_delimited)) read_info(in.get_message(), listing);
    return {};
  } catch (const protozero::exception& error) {
    return failure(std::string("its answer is not a protobuf message: ") + error.what());
  }
}

Status decode_containers(std::string_view answer, CriListing& listing) {
  return decode_list(answer, listing.containers, read_container);
}

Status decode_images(std::string_view answer, CriListing& listing) {
  return decode_list(answer, listing.images, read_image);
}

Status decode_stats(std::string_view answer, CriListing& listing) {
  return decode_list(answer, listing.stats, read_stats);
}

}  // namespace katameter::host
