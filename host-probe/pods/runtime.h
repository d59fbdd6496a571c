#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "host-probe/pods/bundle.h"
#include "host-probe/pods/cri.h"
#include "host-probe/pods/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

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

  enum class Scope {
    pods,  // and which handlers are Kata's
    all,
  };

  /// All pods, containers and images that the runtime knows. Blocks for up to `timeout`. A runtime that does not list
  /// images, or does not say which handlers are Kata's, costs just that.
  Result<CriListing> list(std::chrono::milliseconds timeout, Scope scope = Scope::all);

  /// From any thread: a list() under way fails soon, and so does each that comes later.
  void cancel();

 private:
  class Calls;
  std::string socket_;
  std::unique_ptr<Calls> calls_;
};

/// Names from the container runtimes of this node and, for what they do not list, from the bundles on its disk.
class RuntimeNames : public NameSource {
 public:
  /// For all that one runtime is asked in one go; then it counts as not answering.
  static constexpr std::chrono::milliseconds deadline{5'000};

  RuntimeNames(const std::vector<RuntimeEndpoint>& endpoints, std::string run_root,
               std::chrono::milliseconds timeout = deadline);

  LookupResult look_up(const LookupRequest& request) override;
  void cancel() override;

 private:
  struct Runtime {
    RuntimeEndpoint endpoint;
    std::unique_ptr<CriClient> client;
  };
  void ask_runtimes(const LookupRequest& request, LookupResult& answer);
  void ask_bundles(const LookupRequest& request, LookupResult& answer) const;

  std::vector<Runtime> runtimes_;
  Bundles bundles_;
  std::chrono::milliseconds timeout_;
};

}  // namespace katameter::host
