#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "host-probe/pods/sandbox_names.h"

namespace katameter::host {

/// When a runtime is asked.
struct NameTiming {
  using Duration = std::chrono::milliseconds;
  Duration first{1'000};            // before what it did not know is asked for again; doubles each time
  Duration max{60'000};             // up to this as long as there is something new, or no runtime answers
  Duration max_unknown{3'600'000};  // up to this for what it never knew
  Duration min_interval{1'000};     // from an answer to the next request: a storm of pods is one listing a second
};

/// `first` doubled `times` - 1 times, at most `max`.
NameTiming::Duration backoff(NameTiming::Duration first, NameTiming::Duration max, unsigned times);

/// Which names are known, which are missing, and when to ask for those. Pure: the caller gives the time and does the
/// asking, one request at a time.
///
/// It asks when a sandbox or container comes that has no name, for all of them at once. What the runtime did not know
/// is asked for again after a while, more and more seldom: a sandbox is there before its runtime lists it. A guest that
/// makes up containers can have the runtime asked once in NameTiming::max. A runtime that does not answer is asked until it
/// does, as long as anything is missing.
class PodNameCache {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Names = std::shared_ptr<const SandboxNames>;

  explicit PodNameCache(const NameTiming& timing = {}) : timing_(timing) {}

  void sandbox_appeared(const ContainerId& sandbox);
  /// The containers of a sandbox that appeared, as its guest has just reported them; replaces those reported before.
  void containers_seen(const ContainerId& sandbox, const std::set<ContainerId>& containers);
  /// The last series of the sandbox is gone.
  void forget(const ContainerId& sandbox) { sandboxes_.erase(sandbox); }

  /// Somebody wants to see kata_pods(): the runtimes are asked for their pods if it is older than NameTiming::max.
  void pods_wanted() { pods_wanted_ = true; }
  /// By the last answer, of which it compares the pods with the sandboxes that have appeared. Nothing if there was none,
  /// or a runtime did not answer.
  std::optional<KataPods> kata_pods() const { return kata_pods_; }

  /// When to ask; may be in the past. Nothing while there is nothing to ask or a request is open.
  std::optional<Time> due() const;
  /// What to ask for now; the request is open until answered(). An empty one asks for the runtimes' pods only.
  LookupRequest ask();
  void answered(const LookupResult& answer, Time now);
  /// There will be no answer to an open request, and whoever is asked next may know what nobody knew: all that is
  /// missing is due at once.
  void retry_all();

  /// So many listings that have the pod and not the container make it one that the runtime does not know.
  static constexpr unsigned listings_without = 5;
  /// Containers of the sandbox that the runtime does not know, although it knows the pod.
  std::set<ContainerId> unknown(const ContainerId& sandbox) const;

  /// Null if nothing is known. Never changed once given out.
  Names names(const ContainerId& sandbox) const;

 private:
  struct Sandbox {
    Names names;
    std::set<ContainerId> seen;                // containers, by the guest's last report
    std::map<ContainerId, unsigned> unlisted;  // of `missing`: listings that have the pod and not the container
    std::set<ContainerId> missing;             // its own id among them if its pod is not known
    unsigned attempts = 0;                     // in a row that left something missing
    Time answered{};                           // the last of them
  };

  Time not_before(const Sandbox& sandbox) const;
  void merge(const ContainerId& id, Sandbox& sandbox, const SandboxNames& found);
  void count_pods(const LookupResult& answer, Time now);
  void apply(const ContainerId& id, Sandbox& sandbox, const LookupResult& answer, Time now);

  NameTiming timing_;
  std::map<ContainerId, Sandbox> sandboxes_;
  std::optional<LookupRequest> open_;
  unsigned failures_ = 0;  // of all runtimes, in a row
  Time not_before_{};
  bool pods_wanted_ = false;
  Time pods_not_before_{};
  std::optional<KataPods> kata_pods_;
};

}  // namespace katameter::host
