#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "host-probe/guest/connect.h"
#include "host-probe/processes/process_identity.h"

using namespace katameter;
using namespace katameter::host;

// The command line of any process on the node, and the name of any kernel thread.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto arguments = split_command_line(input);
  if (arguments.size() > size) std::abort();
  // An id is only ever one that stands there.
  if (const auto identity = identify_process(arguments);
      identity && input.find(identity->sandbox.text()) == std::string_view::npos) {
    std::abort();
  }
  if (const auto cid = guest_cid_in(input); cid && (*cid < 3 || *cid == ~std::uint32_t{0})) std::abort();
  if (const auto owner = owner_of_kernel_thread(input); owner && *owner == 0) std::abort();
  return 0;
}
