// Answers of a container runtime, read as each of those that host-probe asks for.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "host-probe/pods/cri.h"

using namespace katameter::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view answer(reinterpret_cast<const char*>(data), size);
  CriListing listing;
  for (const auto decode : {decode_pods, decode_status, decode_containers, decode_images, decode_stats}) {
    static_cast<void>(decode(answer, listing));
  }
  stats_in(listing);
  running_in(listing);
  return 0;
}
