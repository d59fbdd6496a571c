#include "host-probe/pods/name_cache.h"

#include <algorithm>
#include <utility>

namespace katameter::host {

NameTiming::Duration backoff(NameTiming::Duration first, NameTiming::Duration max, unsigned times) {
  NameTiming::Duration wait = first;
  for (unsigned i = 1; i < times && wait < max; ++i) wait *= 2;
  return std::min(wait, max);
}

void PodNameCache::sandbox_appeared(const ContainerId& sandbox) {
  const auto [added, is_new] = sandboxes_.try_emplace(sandbox);
  if (is_new) added->second.missing.insert(sandbox);
}

void PodNameCache::containers_seen(const ContainerId& id, const std::set<ContainerId>& containers) {
  const auto found = sandboxes_.find(id);
  if (found == sandboxes_.end() || found->second.seen == containers) return;
  Sandbox& sandbox = found->second;
  sandbox.seen = containers;
  std::erase_if(sandbox.missing, [&](const ContainerId& one) { return one != id && !containers.contains(one); });
  std::erase_if(sandbox.unlisted, [&](const auto& one) { return !containers.contains(one.first); });
  bool more = false;
  for (const ContainerId& container : containers) {
    if (container == id || (sandbox.names && sandbox.names->containers.contains(container))) continue;
    more |= sandbox.missing.insert(container).second;
  }
  // Those that are new do not wait as long as those that were never known.
  while (more && sandbox.attempts > 1 && backoff(timing_.first, timing_.max_unknown, sandbox.attempts) > timing_.max) {
    --sandbox.attempts;
  }
}

std::optional<PodNameCache::Time> PodNameCache::due() const {
  std::optional<Time> earliest;
  if (open_) return earliest;
  if (pods_wanted_) earliest = pods_not_before_;
  for (const auto& [id, sandbox] : sandboxes_) {
    if (sandbox.missing.empty()) continue;
    const Time next = not_before(sandbox);
    if (!earliest || next < *earliest) earliest = next;
  }
  if (earliest) earliest = std::max(*earliest, not_before_);
  return earliest;
}

LookupRequest PodNameCache::ask() {
  // All that is missing, due or not: one listing answers for everything.
  LookupRequest request;
  for (const auto& [id, sandbox] : sandboxes_) {
    if (sandbox.missing.empty()) continue;
    std::set<ContainerId>& containers = request[id] = sandbox.missing;
    containers.erase(id);
  }
  open_ = request;
  return request;
}

void PodNameCache::answered(const LookupResult& answer, Time now) {
  failures_ = answer.error ? failures_ + 1 : 0;
  not_before_ = now + (answer.error ? backoff(timing_.first, timing_.max, failures_) : timing_.min_interval);
  const auto request = std::exchange(open_, std::nullopt);
  if (!request) return;
  count_pods(answer, now);
  for (const auto& [id, containers] : *request) {
    const auto sandbox = sandboxes_.find(id);
    if (sandbox != sandboxes_.end()) apply(id, sandbox->second, answer, now);
  }
}

void PodNameCache::count_pods(const LookupResult& answer, Time now) {
  pods_wanted_ = false;
  pods_not_before_ = now + timing_.max;
  kata_pods_.reset();
  if (!answer.running) return;
  std::set<ContainerId> found;
  for (const auto& [id, sandbox] : sandboxes_) found.insert(id);
  kata_pods_ = count_kata_pods(*answer.running, found);
}

void PodNameCache::retry_all() {
  open_.reset();
  failures_ = 0;
  not_before_ = pods_not_before_ = {};
  for (auto& [id, sandbox] : sandboxes_) sandbox.attempts = 0;
}

void PodNameCache::apply(const ContainerId& id, Sandbox& sandbox, const LookupResult& answer, Time now) {
  const auto found = answer.sandboxes.find(id);
  const bool named = found != answer.sandboxes.end();
  if (named) merge(id, sandbox, found->second);
  std::set<ContainerId> missing;
  // A bundle has no runtime handler, and the runtime lists a pod some time after its bundle is there. What is no pod it
  // never lists.
  const bool is_pod = !sandbox.names || sandbox.names->container.empty();
  if (is_pod && (!sandbox.names || sandbox.names->pod.empty() || sandbox.names->from_bundle)) missing.insert(id);
  for (const ContainerId& container : sandbox.seen) {
    if (container != id && !(sandbox.names && sandbox.names->containers.contains(container))) missing.insert(container);
  }
  // A runtime that gave no answer, and a bundle, do not say what there is not.
  const bool listed = named && !answer.error && !sandbox.names->from_bundle;
  std::map<ContainerId, unsigned> unlisted;
  for (const ContainerId& container : missing) {
    if (container == id) continue;
    const auto known = sandbox.unlisted.find(container);
    unlisted[container] = (known != sandbox.unlisted.end() ? known->second : 0) + (listed ? 1 : 0);
  }
  sandbox.unlisted = std::move(unlisted);
  sandbox.missing = std::move(missing);
  if (sandbox.missing.empty()) {
    sandbox.attempts = 0;
  } else if (named || !answer.error) {
    ++sandbox.attempts;
    sandbox.answered = now;
  }
}

void PodNameCache::merge(const ContainerId& id, Sandbox& sandbox, const SandboxNames& found) {
  SandboxNames names = found;
  names.containers.erase(id);
  if (sandbox.names) {
    const SandboxNames& before = *sandbox.names;
    if (found.from_bundle && !before.from_bundle) {
      auto containers = std::move(names.containers);
      names = before;
      names.containers = std::move(containers);
    }
    // The runtime forgets a container before the guest's last values of it are reported.
    for (const auto& [container, name] : before.containers) {
      if (sandbox.seen.contains(container)) names.containers.try_emplace(container, name);
    }
  }
  if (!sandbox.names || *sandbox.names != names) sandbox.names = std::make_shared<const SandboxNames>(std::move(names));
}

std::set<ContainerId> PodNameCache::unknown(const ContainerId& sandbox) const {
  std::set<ContainerId> unknown;
  const auto found = sandboxes_.find(sandbox);
  if (found == sandboxes_.end()) return unknown;
  for (const auto& [container, listings] : found->second.unlisted) {
    if (listings >= listings_without) unknown.insert(container);
  }
  return unknown;
}

PodNameCache::Names PodNameCache::names(const ContainerId& sandbox) const {
  const auto found = sandboxes_.find(sandbox);
  return found == sandboxes_.end() ? nullptr : found->second.names;
}

PodNameCache::Time PodNameCache::not_before(const Sandbox& sandbox) const {
  if (sandbox.attempts == 0) return {};
  return sandbox.answered + backoff(timing_.first, timing_.max_unknown, sandbox.attempts);
}

}  // namespace katameter::host
