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

// One call of CRI, waited for.
template <typename Answer, typename Question>
Answer call(const std::filesystem::path& socket, const std::string& method, const Question& question) {
  const auto channel = grpc::CreateChannel("unix:" + socket.string(), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 60s);
  context.set_wait_for_ready(true);
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  const grpc::Slice request(question.SerializeAsString());
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
  Answer answer;
  if (!response.DumpToSingleSlice(&bytes).ok() ||
      !answer.ParseFromArray(bytes.begin(), static_cast<int>(bytes.size()))) {
    throw std::runtime_error(method + ": no answer that can be read");
  }
  return answer;
}

bool serves_cri(const std::filesystem::path& socket) {
  try {
    // What it answers does not matter, and is skipped as unknown fields.
    static_cast<void>(
        call<cri_pods::StartContainerResponse>(socket, "ListPodSandbox", cri_pods::StartContainerResponse()));
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

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
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(2);
  return config;
}

}  // namespace

Containerd::Containerd(const std::filesystem::path& directory) : directory_(directory) {
  if (Child({CONTAINERD_SCRIPT, directory.string()}, directory / "log").wait() != 0) {
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

void Containerd::start() {
  const char* path = std::getenv("PATH");
  process_ =
      Child({"env", "PATH=" + (directory_ / "bin").string() + ":" + (path != nullptr ? path : "/usr/sbin:/usr/bin"),
             "containerd", "-c", (directory_ / "config.toml").string()},
            directory_ / "log");
  const auto ctr = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"ctr", "-a", socket().string(), "-n", "k8s.io"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return Child(command, directory_ / "log").wait() == 0;
  };
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!ctr({"version"})) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("containerd does not answer: " + log());
    std::this_thread::sleep_for(100ms);
  }
  // Its CRI comes later than the rest, on a busy machine seconds later.
  while (!serves_cri(socket())) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("containerd does not serve CRI: " + log());
    std::this_thread::sleep_for(100ms);
  }
  if (images_there_) return;
  if (!ctr({"images", "import", "--snapshotter", "native", (directory_ / "images.tar").string()})) {
    throw std::runtime_error("no images: " + log());
  }
  images_there_ = true;
}

ContainerId Containerd::run_pod(const std::string& name_space, const std::string& name) {
  cri_pods::RunPodSandboxRequest request;
  *request.mutable_config() = config_of(name_space, name);
  request.set_runtime_handler("kata");
  const auto answer = call<cri_pods::RunPodSandboxResponse>(socket(), "RunPodSandbox", request);
  pods_.push_back(ContainerId::from_hex(answer.pod_sandbox_id()).value());
  return pods_.back();
}

ContainerId Containerd::run_container(const ContainerId& pod, const std::string& name, const std::string& image) {
  cri_pods::CreateContainerRequest request;
  request.set_pod_sandbox_id(pod.hex());
  request.mutable_config()->mutable_metadata()->set_name(name);
  request.mutable_config()->mutable_image()->set_image(image);
  *request.mutable_sandbox_config() = config_of("", "");
  const auto made = call<cri_pods::CreateContainerResponse>(socket(), "CreateContainer", request);
  cri_pods::StartContainerRequest start;
  start.set_container_id(made.container_id());
  static_cast<void>(call<cri_pods::StartContainerResponse>(socket(), "StartContainer", start));
  return ContainerId::from_hex(made.container_id()).value();
}

void Containerd::remove_pod(const ContainerId& pod) {
  cri_pods::RemovePodSandboxRequest request;
  request.set_pod_sandbox_id(pod.hex());
  static_cast<void>(call<cri_pods::RemovePodSandboxResponse>(socket(), "StopPodSandbox", request));
  static_cast<void>(call<cri_pods::RemovePodSandboxResponse>(socket(), "RemovePodSandbox", request));
}

}  // namespace katameter::host::testing
