#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "host-probe/http_client.h"
#include "host-probe/pods/bundle.h"
#include "host-probe/pods/name_cache.h"
#include "host-probe/pods/pod_list.h"
#include "host-probe/pods/pod_uid.h"
#include "host-probe/pods/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

/// Where the pods of a node are listed, other than by the container runtime.
struct PodListAddress {
  std::string pods;             // URL of a PodList
  std::string runtime_classes;  // URL of a RuntimeClassList; empty: there is none, and handlers are not known
  /// Directory with `token` and, for https, `ca.crt`, as a pod has it of its ServiceAccount.
  std::string credentials;

  bool operator==(const PodListAddress&) const = default;
};

/// `from`: `api` for the API server, which a pod finds by KUBERNETES_SERVICE_HOST and _PORT in its environment and which
/// has to know the node by this name; or the URL of a kubelet's list. The error says what to give.
Result<PodListAddress> parse_pods_from(std::string_view from, const std::string& node, const std::string& credentials);

/// When a list of pods is asked for.
struct PodListTiming {
  using Duration = NameTiming::Duration;
  Duration timeout{10'000};
  // After a failure; each wait doubles up to its limit.
  Duration retry_min{1'000};
  Duration retry_max{60'000};
  // What somebody has to change first: rights, a certificate, an address that serves something else.
  Duration hopeless_min{30'000};
  Duration hopeless_max{600'000};
  Duration classes_interval{600'000};  // RuntimeClasses that were not there, or not to be had
};

/// When names are asked for that come from a list of pods: each node of a cluster asks the same server.
NameTiming pod_list_name_timing();

/// Names from the API server's list of this node's pods, or from kubelet's. Which pod a sandbox is that list does not say:
/// Kata's own state on the disk does (KataState) or, without it, the bundle. A guest has no say in it.
/// One request for all that is missing; none while no sandbox of a pod lacks anything.
class ClusterNames : public NameSource {
 public:
  /// What one answer may hold: some 2,000 pods.
  static constexpr std::size_t max_answer_bytes = std::size_t{16} << 20;

  ClusterNames(PodListAddress address, const std::string& run_root, const PodListTiming& timing = {});

  /// The names have no count of the pods that run (LookupResult::running): the list has no ids of sandboxes.
  LookupResult look_up(const LookupRequest& request) override;
  void cancel() override { cancelled_ = true; }

 private:
  using Clock = std::chrono::steady_clock;
  using Handlers = std::map<std::string, std::string>;
  struct Failure {
    long status = 0;  // of HTTP; 0: there was no answer
    bool hopeless = false;
    std::string text;
  };
  template <typename T>
  using Answer = tl::expected<T, Failure>;

  Answer<std::string> get(const std::string& url);
  std::optional<PodList> list(LookupResult& answer);
  void note_failure(Failure failure);
  SandboxNames names_of(const ListedPod& pod, const std::optional<SandboxNames>& bundle);
  std::string handler_of(const std::string& runtime_class);

  PodListAddress address_;
  Bundles bundles_;
  KataState state_;
  PodListTiming timing_;
  std::optional<Failure> failure_;  // of the last request
  unsigned failures_ = 0;           // of that kind, in a row
  Clock::time_point not_before_{};
  Handlers handlers_;
  std::optional<Clock::time_point> classes_asked_at_;
  bool classes_failure_logged_ = false;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace katameter::host
