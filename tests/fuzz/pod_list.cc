#include "host-probe/pods/pod_list.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "host-probe/pods/pod_uid.h"

using namespace katameter;
using namespace katameter::host;

// The API server's answer, and what Kata keeps of a sandbox. What is taken from the first becomes labels.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto uid = pod_uid_in(cgroup_path_in(text), ContainerId()); uid && uid->size() != 36) std::abort();
  static_cast<void>(pod_uid_in(text, ContainerId()));
  static_cast<void>(parse_runtime_classes(text));
  const auto pods = parse_pod_list(text);
  if (!pods) return 0;
  for (const auto& [uid, pod] : *pods) {
    if (pod.name.empty() || pod.pod_namespace.empty()) std::abort();
    for (const std::string& label : {uid, pod.name, pod.pod_namespace, pod.runtime_class}) {
      if (label_text(label) != label) std::abort();
    }
    for (const auto& [id, container] : pod.containers) {
      if (container.name.empty() || label_text(container.image) != container.image) std::abort();
    }
  }
  return 0;
}
