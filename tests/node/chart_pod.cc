#include "tests/node/chart_pod.h"

#include <cri_pods.pb.h>
#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/http_get.h"

namespace katameter::host::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

template <typename Done>
bool within_patience(Done done) {
  const auto end = std::chrono::steady_clock::now() + 240s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(100ms);
  }
  return true;
}

template <typename Message>
Message message_of(const nlohmann::json& json) {
  Message message;
  const auto status = google::protobuf::util::JsonStringToMessage(json.dump(), &message);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return message;
}

cri_pods::ContainerStatus status_of(const Containerd& containerd, const std::string& container) {
  cri_pods::ContainerStatusRequest request;
  request.set_container_id(container);
  return containerd.call<cri_pods::ContainerStatusResponse>("ContainerStatus", request).status();
}

std::string start_container(const Containerd& containerd, const ContainerId& pod, const nlohmann::json& sandbox,
                            const nlohmann::json& config) {
  cri_pods::CreateContainerRequest request;
  request.set_pod_sandbox_id(pod.hex());
  *request.mutable_sandbox_config() = message_of<cri_pods::PodSandboxConfig>(sandbox);
  *request.mutable_config() = message_of<cri_pods::ContainerConfig>(config);
  fs::create_directories(
      (fs::path(request.sandbox_config().log_directory()) / request.config().log_path()).parent_path());
  cri_pods::StartContainerRequest start;
  start.set_container_id(containerd.call<cri_pods::CreateContainerResponse>("CreateContainer", request).container_id());
  static_cast<void>(containerd.call<cri_pods::StartContainerResponse>("StartContainer", start));
  return start.container_id();
}

ContainerId run_sandbox(const Containerd& containerd, const nlohmann::json& config) {
  cri_pods::RunPodSandboxRequest request;
  *request.mutable_config() = message_of<cri_pods::PodSandboxConfig>(config);
  const auto answer = containerd.call<cri_pods::RunPodSandboxResponse>("RunPodSandbox", request);
  return ContainerId::from_hex(answer.pod_sandbox_id()).value();
}

void run_to_its_end(const Containerd& containerd, const std::string& container, const fs::path& log) {
  const bool ended =
      within_patience([&] { return status_of(containerd, container).state() == cri_pods::CONTAINER_EXITED; });
  INFO(contents(log));
  REQUIRE(ended);
  REQUIRE(status_of(containerd, container).exit_code() == 0);
}

}  // namespace

ChartPod::ChartPod(const Containerd& containerd, const fs::path& file)
    : containerd_(containerd), pod_(run_sandbox(containerd, nlohmann::json::parse(contents(file)).at("pod"))) {
  const auto chart = nlohmann::json::parse(contents(file));
  const auto& sandbox = chart.at("pod");
  const fs::path logs = sandbox.at("log_directory").get<std::string>();
  const auto log_of = [&](const nlohmann::json& config) { return logs / config.at("log_path").get<std::string>(); };
  fs::remove_all(logs);  // of a pod before it
  for (const auto& directory : chart.at("directories")) fs::create_directories(directory.get<std::string>());
  for (const auto& init : chart.at("init_containers")) {
    run_to_its_end(containerd, start_container(containerd, pod_, sandbox, init), log_of(init));
  }
  container_ = start_container(containerd, pod_, sandbox, chart.at("container"));
  log_ = log_of(chart.at("container"));
  cri_pods::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(pod_.hex());
  const auto status = containerd.call<cri_pods::PodSandboxStatusResponse>("PodSandboxStatus", request).status();
  address_ = status.network().ip() + ":" + std::to_string(chart.at("port").get<int>());
  ready_path_ = chart.at("ready").get<std::string>();
  grace_s_ = chart.at("grace_s").get<int>();
}

ChartPod::~ChartPod() {
  try {
    containerd_.remove_pod(pod_);
  } catch (const std::exception& error) {
    UNSCOPED_INFO("the pod is left: " << error.what());
  }
}

void ChartPod::wait_ready() const {
  const bool is_ready = within_patience([this] {
    try {
      return http_get(address_, ready_path_).find(" 200 ") != std::string::npos;
    } catch (const std::exception&) {
      return false;
    }
  });
  INFO(log());
  REQUIRE(is_ready);
}

std::string ChartPod::log() const {
  return contents(log_);
}

bool ChartPod::says(const std::string& text) const {
  const bool said = within_patience([&] { return log().find(text) != std::string::npos; });
  if (!said) UNSCOPED_INFO(log());
  return said;
}

int ChartPod::stop() const {
  cri_pods::StopContainerRequest request;
  request.set_container_id(container_);
  request.set_timeout(grace_s_);
  static_cast<void>(containerd_.call<cri_pods::StopContainerResponse>("StopContainer", request));
  return status_of(containerd_, container_).exit_code();
}

}  // namespace katameter::host::testing
