#pragma once

#include <filesystem>
#include <string>

#include "tests/host-probe/pods/containerd.h"

namespace katameter::host::testing {

/// The pod of the chart's DaemonSet in a containerd, made over CRI as a kubelet makes it (chart_pod.py). It has a network of
/// its own.
class ChartPod {
 public:
  /// `file`: what chart_pod.py has printed. Runs the init containers and starts host-probe; fails the test if it cannot.
  ChartPod(const Containerd& containerd, const std::filesystem::path& file);
  /// Removes it.
  ~ChartPod();
  ChartPod(const ChartPod&) = delete;
  ChartPod& operator=(const ChartPod&) = delete;

  /// Where it serves.
  const std::string& address() const { return address_; }
  /// Waits until it is ready, as a kubelet asks for it.
  void wait_ready() const;
  /// host-probe's log.
  std::string log() const;
  /// Waits until there is this text in it; false if it does not come.
  bool says(const std::string& text) const;
  /// Ends host-probe as a kubelet does; its exit status.
  int stop() const;

 private:
  const Containerd& containerd_;
  ContainerId pod_;
  std::string container_;
  std::filesystem::path log_;
  std::string address_;
  std::string ready_path_;
  int grace_s_ = 0;
};

}  // namespace katameter::host::testing
