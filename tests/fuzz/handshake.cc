#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "host-probe/guest/connect.h"

using namespace katameter;
using namespace katameter::host;

// The first byte says how large the pieces are in which the rest arrives: the answer must be read the same way in
// whatever pieces it comes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = 1 + data[0] % 7;

  Handshake whole;
  const std::size_t taken = whole.take(input);
  if (taken > input.size()) std::abort();

  Handshake pieces;
  std::size_t taken_in_pieces = 0;
  for (std::size_t at = 0; at < input.size() && pieces.state() == Handshake::State::waiting; at += step) {
    taken_in_pieces += pieces.take(input.substr(at, step));
  }
  if (pieces.state() != whole.state() || taken_in_pieces != taken || pieces.untouched() != whole.untouched()) {
    std::abort();
  }
  // Nobody may keep the host gathering bytes.
  if (whole.state() == Handshake::State::waiting && input.size() >= 32) std::abort();
  return 0;
}
