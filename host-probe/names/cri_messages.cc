#include "host-probe/names/cri_messages.h"

#include <protozero/exception.hpp>
#include <protozero/pbf_message.hpp>
#include <string>

namespace katameter::host {
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
