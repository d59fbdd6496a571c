#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "host-probe/http/web_config.h"

using namespace katameter::host::http;

// The file of --web.config.file, which is read again at a reload: nothing in it may end the program.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = parse_web_config(std::string(reinterpret_cast<const char*>(data), size));
  if (!config) return 0;
  for (const auto& [name, hash] : config->users) {
    if (hash.size() != 60) std::abort();
  }
  return 0;
}
