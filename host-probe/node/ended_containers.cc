#include "host-probe/node/ended_containers.h"

#include <algorithm>
#include <utility>

namespace katameter::host {

std::size_t EndedContainers::add(wire::Container last, const SharedCosts& costs, Time now) {
  std::erase_if(ended_, [&](const EndedContainer& ended) { return ended.last->id == last.id; });
  last.cgroup = {};  // a guest may send 4 KiB of it, and nothing here needs it
  ended_.push_back({std::make_shared<const wire::Container>(std::move(last)), costs, now});
  if (ended_.size() <= max) return 0;
  ended_.erase(ended_.begin());
  return 1;
}

void EndedContainers::remove_living(const std::vector<wire::Container>& living) {
  std::erase_if(ended_, [&](const EndedContainer& ended) {
    return std::ranges::binary_search(living, ended.last->id, {}, &wire::Container::id);
  });
}

void EndedContainers::expire(Time now) {
  const auto first =
      std::ranges::find_if(ended_, [&](const EndedContainer& ended) { return now - ended.ended_at < window; });
  ended_.erase(ended_.begin(), first);
}

std::size_t EndedContainers::clear() {
  return std::exchange(ended_, {}).size();
}

}  // namespace katameter::host
