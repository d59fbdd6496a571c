#include "host-probe/names/runtime_names.h"

#include <sys/stat.h>

#include <utility>

#include "host-probe/names/cri_listing.h"

namespace katameter::host {
namespace {

bool exists(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0;
}

}  // namespace

RuntimeNames::RuntimeNames(const std::vector<RuntimeEndpoint>& endpoints, std::string run_root,
                           std::chrono::milliseconds patience)
    : bundles_(std::move(run_root)), patience_(patience) {
  for (const RuntimeEndpoint& endpoint : endpoints) {
    runtimes_.push_back({endpoint, std::make_unique<CriClient>(endpoint.socket)});
  }
}

void RuntimeNames::cancel() {
  for (const Runtime& runtime : runtimes_) runtime.client->cancel();
}

NameAnswer RuntimeNames::look_up(const NameQuestion& question) {
  NameAnswer answer;
  ask_runtimes(question, answer);
  ask_bundles(question, answer);
  return answer;
}

void RuntimeNames::ask_runtimes(const NameQuestion& question, NameAnswer& answer) {
  bool asked = false;
  for (const Runtime& runtime : runtimes_) {
    if (!runtime.endpoint.configured && !exists(runtime.endpoint.socket)) continue;
    asked = true;
    const auto listing = runtime.client->list(patience_);
    if (!listing) {
      answer.trouble = listing.error();
      continue;
    }
    answer.sandboxes.merge(names_in(*listing, question));
  }
  if (!asked) answer.trouble = Error{0, "there is no container runtime at its usual places; see --runtime-endpoint"};
}

void RuntimeNames::ask_bundles(const NameQuestion& question, NameAnswer& answer) const {
  for (const auto& [id, containers] : question) {
    const auto told = answer.sandboxes.find(id);
    if (told == answer.sandboxes.end()) {
      if (auto names = bundles_.names(id, containers)) answer.sandboxes.emplace(id, *std::move(names));
    } else if (told->second.image.empty()) {
      // CRI does not tell the pause image; newer runtimes write it here.
      if (const auto names = bundles_.names(id, {})) told->second.image = names->image;
    }
  }
}

}  // namespace katameter::host
