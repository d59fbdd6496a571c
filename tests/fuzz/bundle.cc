#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "host-probe/pods/bundle.h"
#include "host-probe/pods/sandbox_names.h"

using namespace katameter;
using namespace katameter::host;

// The configuration of a container, whose annotations whoever makes a pod can set. What is taken from it becomes labels.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto names = parse_bundle({reinterpret_cast<const char*>(data), size});
  if (!names) return 0;
  for (const std::string& text :
       {names->pod_namespace, names->pod, names->container, names->image, names->runtime_handler}) {
    if (label_text(text) != text) std::abort();
  }
  return 0;
}
