#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/child.h"
#include "userspace/wire/container_id.h"

namespace katameter::host::testing {

/// A real containerd with all of its state in a directory of its own, and pods that are made over its CRI socket.
class Containerd {
 public:
  /// Prepares its configuration and images; does not start it. `snapshotter`: overlayfs where the directory's file system
  /// can be the upper one of an overlay.
  explicit Containerd(const std::filesystem::path& directory, const std::string& snapshotter = "native");
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

  /// Takes the images of an archive, as OCI or Docker save them.
  void add_images(const std::filesystem::path& archive) const;
  /// One call of CRI's RuntimeService with messages of cri_pods.proto, waited for. Throws if it fails.
  template <typename Answer, typename Question>
  Answer call(const std::string& method, const Question& question) const {
    Answer answer;
    if (!answer.ParseFromString(call_by_bytes(method, question.SerializeAsString()))) {
      throw std::runtime_error(method + ": no answer that can be read");
    }
    return answer;
  }

  /// Runs a pod of its runtime class "kata".
  ContainerId run_pod(const std::string& name_space, const std::string& name);
  /// Runs a container of an image of containerd.sh in it.
  ContainerId run_container(const ContainerId& pod, const std::string& name, const std::string& image);
  /// Removes a pod that call() has made; the others end with this object.
  void remove_pod(const ContainerId& pod) const;

 private:
  std::string call_by_bytes(const std::string& method, const std::string& question) const;
  bool serves_cri() const;
  bool ctr(const std::vector<std::string>& arguments) const;
  std::string log() const;

  std::filesystem::path directory_;
  std::string snapshotter_;
  Child process_;
  std::vector<ContainerId> pods_;
  bool images_there_ = false;
};

}  // namespace katameter::host::testing
