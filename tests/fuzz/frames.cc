#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

using namespace katameter;

namespace {

// What was decoded has to survive being sent on: same bytes from its own encoding and decoding.
void check_guest_message(std::string_view payload) {
  const auto message = wire::decode_guest_message(payload);
  if (!message) return;
  const std::string encoded = wire::encode(*message);
  const auto again = wire::decode_guest_message(encoded);
  if (!again || wire::encode(*again) != encoded) std::abort();
}

void check_host_message(std::string_view payload) {
  const auto message = wire::decode_host_message(payload);
  if (!message) return;
  const std::string encoded = wire::encode(*message);
  const auto again = wire::decode_host_message(encoded);
  if (!again || wire::encode(*again) != encoded) std::abort();
}

}  // namespace

// The input is a stream of frames; it arrives in two pieces, and each payload goes to both decoders. The input as a
// whole goes to them too, so that the fuzzer need not learn the framing first.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_guest_message(input);
  check_host_message(input);

  wire::FrameReader reader;
  for (const std::string_view piece : {input.substr(0, size / 2), input.substr(size / 2)}) {
    reader.append(piece);
    while (true) {
      const auto payload = reader.next();
      if (!payload) return 0;
      if (!*payload) break;
      check_guest_message(**payload);
      check_host_message(**payload);
    }
  }
  return 0;
}
