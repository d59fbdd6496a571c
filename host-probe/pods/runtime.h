#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "host-probe/pods/bundle.h"
#include "host-probe/pods/cri.h"
#include "host-probe/pods/name_cache.h"
#include "host-probe/pods/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

/// Why a runtime gave no listing.
struct CriFailure {
  enum class Kind {
    no_answer,  // it is away, hangs, or its answer cannot be read
    no_cri,     // something listens that knows nothing of CRI: Docker's containerd, or one without the plugin cri
    too_large,  // for us (CriClient::max_answer_bytes), or for what the runtime may send
    cancelled,
  };
  Kind kind = Kind::no_answer;
  std::string text;  // one line
};

/// Asks one container runtime over the Kubernetes Container Runtime Interface: runtime.v1, or v1alpha2 where it knows
/// no v1 (containerd before 1.6). Between two listings there is no connection and nothing wakes.
class CriClient {
 public:
  /// What one message of the runtime may hold; kubelet allows as much.
  static constexpr int max_answer_bytes = 16 << 20;

  explicit CriClient(std::string socket);
  ~CriClient();
  CriClient(const CriClient&) = delete;
  CriClient& operator=(const CriClient&) = delete;

  using Listing = tl::expected<CriListing, CriFailure>;
  enum class Scope {
    pods,  // and which handlers are Kata's; a runtime that does not say it costs just that
    pods_and_containers,
    images,
    containers_and_stats,
  };

  /// All of these that the runtime knows. Blocks for up to `timeout`.
  Listing list(std::chrono::milliseconds timeout, Scope scope);

  /// From any thread: a list() under way fails soon, and so does each that comes later.
  void cancel();

 private:
  class Calls;
  std::string socket_;
  std::unique_ptr<Calls> calls_;
};

/// How long a runtime may take, and when one that failed is asked again. Each wait doubles up to its limit.
struct RuntimeTiming {
  using Duration = NameTiming::Duration;
  Duration deadline{5'000};  // for all that one runtime is asked in one go; then it counts as not answering
  // Half of PodNameCache's waits: where there is one runtime, those decide.
  Duration retry_min{500};
  Duration retry_max{30'000};
  // Where it does not help to ask again soon: no CRI, or more than one answer can hold.
  Duration hopeless_min{60'000};
  Duration hopeless_max{3'600'000};

  /// How long to wait after so many failures of this kind in a row.
  Duration wait_after(CriFailure::Kind kind, unsigned failures) const;
};

/// Names from the container runtimes of this node and, for what they do not list, from the bundles on its disk. One
/// runtime that fails costs the names that only it knows: it is asked more and more seldom, and the log says so once.
class RuntimeNames : public NameSource {
 public:
  RuntimeNames(const std::vector<RuntimeEndpoint>& endpoints, std::string run_root, const RuntimeTiming& timing = {});

  LookupResult look_up(const LookupRequest& request) override;
  void cancel() override;

 private:
  using Clock = std::chrono::steady_clock;
  // What distinguishes a socket from the one that was at its path before: a runtime makes it anew when it starts.
  struct SocketFile {
    std::uint64_t inode = 0;  // 0: there is none
    std::int64_t changed_ns = 0;
    bool operator==(const SocketFile&) const = default;
  };
  static SocketFile socket_file(const std::string& path);
  struct Runtime {
    RuntimeEndpoint endpoint;
    std::unique_ptr<CriClient> client;
    std::optional<CriFailure> failure;                       // the last time that it was asked
    unsigned failures = 0;                                   // of that kind, in a row
    std::optional<std::vector<CriListing::Image>> images{};  // when they were listed last
    Clock::time_point not_before{};
    SocketFile socket_file{};
  };
  void ask_runtimes(const LookupRequest& request, LookupResult& answer);
  std::optional<CriListing> list(Runtime& runtime, const LookupRequest& request);
  void add_images(Runtime& runtime, CriListing& listing, const LookupRequest& request) const;
  void note_failure(Runtime& runtime, CriFailure failure) const;
  void ask_bundles(const LookupRequest& request, LookupResult& answer) const;

  std::vector<Runtime> runtimes_;
  Bundles bundles_;
  RuntimeTiming timing_;
  bool absence_logged_ = false;
};

}  // namespace katameter::host
