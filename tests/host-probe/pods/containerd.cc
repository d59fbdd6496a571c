#include "tests/host-probe/pods/containerd.h"

#include <cri_pods.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace katameter::host::testing {
namespace {

using namespace std::chrono_literals;

// Of a machine that has no time, as an emulated node has little.
constexpr auto patience = 240s;

// Of this run: pods put it into every hierarchy.
std::string cgroup_parent() {
  return "katameter-test-" + std::to_string(getpid());
}

// With the pods' own below it: on a busy machine runc gives up on those.
void remove_cgroup(const std::filesystem::path& cgroup) {
  std::error_code error;
  for (int attempt = 0; attempt < 200 && std::filesystem::exists(cgroup, error); ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(10ms);
    for (const auto& entry : std::filesystem::directory_iterator(cgroup, error)) {
      if (entry.is_directory(error)) rmdir(entry.path().c_str());
    }
    rmdir(cgroup.c_str());
  }
  if (std::filesystem::exists(cgroup, error)) std::fprintf(stderr, "left behind: %s\n", cgroup.c_str());
}

void remove_cgroup_parents() {
  std::error_code ignored;
  const std::filesystem::path root = "/sys/fs/cgroup";
  remove_cgroup(root / cgroup_parent());
  for (const auto& hierarchy : std::filesystem::directory_iterator(root, ignored)) {
    remove_cgroup(hierarchy.path() / cgroup_parent());
  }
}

cri_pods::PodSandboxConfig config_of(const std::string& name_space, const std::string& name) {
  cri_pods::PodSandboxConfig config;
  config.mutable_metadata()->set_name(name);
  config.mutable_metadata()->set_namespace_(name_space);
  config.mutable_metadata()->set_uid("uid-of-" + name);
  config.mutable_linux()->set_cgroup_parent("/" + cgroup_parent());
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(cri_pods::NODE);
  return config;
}

}  // namespace

Containerd::Containerd(const std::filesystem::path& directory, const std::string& snapshotter)
    : directory_(directory), snapshotter_(snapshotter) {
  if (Child({CONTAINERD_SCRIPT, directory.string(), snapshotter}, directory / "log").wait() != 0) {
    throw std::runtime_error("containerd.sh failed: " + log());
  }
}

Containerd::~Containerd() {
  try {
    if (!pods_.empty() && process_.pid() < 0) start();
    for (const ContainerId& pod : pods_) remove_pod(pod);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pods are left in %s: %s\n", directory_.c_str(), error.what());
  }
  process_.signal(SIGTERM);
  static_cast<void>(process_.wait());
  remove_cgroup_parents();
}

std::string Containerd::log() const {
  return contents(directory_ / "log");
}

bool Containerd::serves_cri() const {
  try {
    static_cast<void>(call_by_bytes("ListPodSandbox", ""));
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

bool Containerd::ctr(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command{"ctr", "-a", socket().string(), "-n", "k8s.io"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return Child(command, directory_ / "log").wait() == 0;
}

std::string Containerd::call_by_bytes(const std::string& method, const std::string& question) const {
  const auto channel = grpc::CreateChannel("unix:" + socket().string(), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + patience);
  context.set_wait_for_ready(true);
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  const grpc::Slice request(question);
  const auto reader =
      stub.PrepareUnaryCall(&context, "/runtime.v1.RuntimeService/" + method, grpc::ByteBuffer(&request, 1), &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  reader->StartCall();
  reader->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) throw std::runtime_error(method + ": " + status.error_message());
  grpc::Slice bytes;
  if (!response.DumpToSingleSlice(&bytes).ok()) throw std::runtime_error(method + ": no answer that can be read");
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

void Containerd::start() {
  const char* path = std::getenv("PATH");
  process_ =
      Child({"env", "PATH=" + (directory_ / "bin").string() + ":" + (path != nullptr ? path : "/usr/sbin:/usr/bin"),
             "containerd", "-c", (directory_ / "config.toml").string()},
            directory_ / "log");
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!ctr({"version"})) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("containerd does not answer: " + log());
    std::this_thread::sleep_for(100ms);
  }
  // Its CRI comes later than the rest, on a busy machine seconds later.
  while (!serves_cri()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("containerd does not serve CRI: " + log());
    std::this_thread::sleep_for(100ms);
  }
  if (images_there_) return;
  add_images(directory_ / "images.tar");
  images_there_ = true;
}

void Containerd::add_images(const std::filesystem::path& archive) const {
  if (!ctr({"images", "import", "--snapshotter", snapshotter_, archive.string()})) {
    throw std::runtime_error("no images of " + archive.string() + ": " + log());
  }
}

ContainerId Containerd::run_pod(const std::string& name_space, const std::string& name) {
  cri_pods::RunPodSandboxRequest request;
  *request.mutable_config() = config_of(name_space, name);
  request.set_runtime_handler("kata");
  const auto answer = call<cri_pods::RunPodSandboxResponse>("RunPodSandbox", request);
  pods_.push_back(ContainerId::from_hex(answer.pod_sandbox_id()).value());
  return pods_.back();
}

ContainerId Containerd::run_container(const ContainerId& pod, const std::string& name, const std::string& image) {
  cri_pods::CreateContainerRequest request;
  request.set_pod_sandbox_id(pod.hex());
  request.mutable_config()->mutable_metadata()->set_name(name);
  request.mutable_config()->mutable_image()->set_image(image);
  *request.mutable_sandbox_config() = config_of("", "");
  const auto made = call<cri_pods::CreateContainerResponse>("CreateContainer", request);
  cri_pods::StartContainerRequest start;
  start.set_container_id(made.container_id());
  static_cast<void>(call<cri_pods::StartContainerResponse>("StartContainer", start));
  return ContainerId::from_hex(made.container_id()).value();
}

void Containerd::remove_pod(const ContainerId& pod) const {
  cri_pods::RemovePodSandboxRequest request;
  request.set_pod_sandbox_id(pod.hex());
  static_cast<void>(call<cri_pods::RemovePodSandboxResponse>("StopPodSandbox", request));
  static_cast<void>(call<cri_pods::RemovePodSandboxResponse>("RemovePodSandbox", request));
}

}  // namespace katameter::host::testing
