#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "host-probe/names/cri_listing.h"
#include "userspace/result.h"

namespace katameter::host {

/// Asks one container runtime over the Kubernetes Container Runtime Interface: runtime.v1, or v1alpha2 where it knows
/// no v1 (containerd before 1.6). Between two listings there is no connection and nothing wakes.
class CriClient {
 public:
  /// What one message of the runtime may hold; kubelet allows as much.
  static constexpr int largest_answer = 16 << 20;

  explicit CriClient(std::string socket);
  ~CriClient();
  CriClient(const CriClient&) = delete;
  CriClient& operator=(const CriClient&) = delete;

  /// All pods, containers and images that the runtime knows. Blocks for up to `patience`. A runtime that does not list
  /// images costs their names and nothing else.
  Result<CriListing> list(std::chrono::milliseconds patience);

  /// From any thread: a list() under way fails soon, and so does each that comes later.
  void cancel();

 private:
  class Calls;
  std::string socket_;
  std::unique_ptr<Calls> calls_;
};

}  // namespace katameter::host
