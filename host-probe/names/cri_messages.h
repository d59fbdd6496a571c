#pragma once

#include <string_view>

#include "host-probe/names/cri_listing.h"
#include "userspace/result.h"

namespace katameter::host {

// Read the answers of CRI that cri.proto describes; what they hold is added to `listing`. Fields that are not in it are
// skipped. An error if the bytes are no protobuf message; `listing` may then have some.
Status decode_pods(std::string_view answer, CriListing& listing);
Status decode_containers(std::string_view answer, CriListing& listing);
Status decode_images(std::string_view answer, CriListing& listing);

}  // namespace katameter::host
