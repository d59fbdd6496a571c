#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/child.h"
#include "userspace/wire/container_id.h"

namespace katameter::host::testing {

/// A real containerd with all of its state in a directory of its own, and pods that are made over its CRI socket.
class Containerd {
 public:
  /// Prepares its configuration and images; does not start it.
  explicit Containerd(const std::filesystem::path& directory);
  /// Removes its pods and ends it, its shims included.
  ~Containerd();
  Containerd(const Containerd&) = delete;
  Containerd& operator=(const Containerd&) = delete;

  /// Starts it and waits until it answers; throws with its log if it does not.
  void start();
  /// SIGKILL. Its pods run on.
  void kill() { process_.end(); }
  const Child& process() const { return process_; }

  /// The socket is run_root()/containerd/containerd.sock.
  std::filesystem::path run_root() const { return directory_ / "run"; }
  std::filesystem::path socket() const { return run_root() / "containerd" / "containerd.sock"; }

  /// Runs a pod of its runtime class "kata".
  ContainerId run_pod(const std::string& name_space, const std::string& name);
  /// Runs a container of an image of containerd.sh in it.
  ContainerId run_container(const ContainerId& pod, const std::string& name, const std::string& image);

 private:
  void remove_pod(const ContainerId& pod);
  std::string log() const;

  std::filesystem::path directory_;
  Child process_;
  std::vector<ContainerId> pods_;
  bool images_there_ = false;
};

}  // namespace katameter::host::testing
