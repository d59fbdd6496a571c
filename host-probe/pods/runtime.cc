#include "host-probe/pods/runtime.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "host-probe/own_metrics/own_metrics.h"
#include "host-probe/pods/cri.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

using Deadline = std::chrono::system_clock::time_point;

// A StatusRequest that asks for the configuration, too.
constexpr std::string_view verbose_request = "\x08\x01";

std::shared_ptr<grpc::Channel> connect(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(CriClient::max_answer_bytes);
  // The process-wide pool would remember a runtime that was away, and make its own pauses before it tries again.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

std::string described(const grpc::Status& status, std::chrono::milliseconds timeout) {
  std::string text = status.error_message() + " (gRPC status " + std::to_string(status.error_code()) + ")";
  std::ranges::replace(text, '\n', ' ');
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED: return "no answer within " + std::to_string(timeout.count()) + " ms";
    case grpc::StatusCode::UNIMPLEMENTED: return "it does not serve CRI: " + text;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "its list of pods or containers is larger than one message may be: " + text;
    default: return text;
  }
}

CriFailure::Kind kind_of(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNIMPLEMENTED: return CriFailure::Kind::no_cri;
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return CriFailure::Kind::too_large;
    case grpc::StatusCode::CANCELLED: return CriFailure::Kind::cancelled;
    default: return CriFailure::Kind::no_answer;
  }
}

}  // namespace

/// The calls of one client, which another thread may cancel.
class CriClient::Calls {
 public:
  /// `method` is "Service/Method" of CRI, without its version.
  grpc::Status call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::string_view request,
                    Deadline deadline, std::string& answer) {
    grpc::Status status = call_version(channel, version_, method, request, deadline, answer);
    if (status.error_code() != grpc::StatusCode::UNIMPLEMENTED || version_ != newer) return status;
    grpc::Status of_older = call_version(channel, older, method, request, deadline, answer);
    if (of_older.ok()) version_ = older;
    return of_older.error_code() == grpc::StatusCode::UNIMPLEMENTED ? status : of_older;
  }

  /// Before each listing: the runtime may have been replaced by one that knows more.
  void begin() { version_ = newer; }

  void cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

 private:
  static constexpr std::string_view newer = "v1";
  static constexpr std::string_view older = "v1alpha2";

  grpc::Status call_version(const std::shared_ptr<grpc::Channel>& channel, std::string_view version,
                            const std::string& method, std::string_view request, Deadline deadline,
                            std::string& answer) {
    grpc::ClientContext context;
    context.set_deadline(deadline);
    if (!enter(context)) return {grpc::StatusCode::CANCELLED, "host-probe is stopping"};
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel);
    const grpc::Slice slice(request.data(), request.size());
    const grpc::ByteBuffer message(&slice, 1);
    const auto call =
        stub.PrepareUnaryCall(&context, "/runtime." + std::string(version) + "." + method, message, &queue);
    grpc::ByteBuffer response;
    grpc::Status status;
    call->StartCall();
    call->Finish(&response, &status, this);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);  // at the deadline at the latest
    leave();
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    if (status.ok()) answer = bytes_of(response);
    return status;
  }

  bool enter(grpc::ClientContext& context) {
    const std::lock_guard lock(mutex_);
    if (!cancelled_) context_ = &context;
    return !cancelled_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }

  std::string_view version_ = newer;
  std::mutex mutex_;  // of what follows
  grpc::ClientContext* context_ = nullptr;
  bool cancelled_ = false;
};

CriClient::CriClient(std::string socket) : socket_(std::move(socket)), calls_(std::make_unique<Calls>()) {}

CriClient::~CriClient() = default;

void CriClient::cancel() {
  calls_->cancel();
}

CriClient::Listing CriClient::list(std::chrono::milliseconds timeout, Scope scope) {
  const Deadline deadline = std::chrono::system_clock::now() + timeout;
  const auto channel = connect(socket_);
  calls_->begin();
  CriListing listing;
  using Failure = std::optional<CriFailure>;
  const auto ask = [&](RuntimeOperation operation, const char* method, std::string_view request,
                       Status (*decode)(std::string_view, CriListing&)) -> Failure {
    std::string answer;
    const grpc::Status status = calls_->call(channel, method, request, deadline, answer);
    OwnMetrics::of_process().count_runtime_operation(operation, status.ok());
    const std::string asking = "asking the container runtime at " + socket_ + " (" + method + "): ";
    if (!status.ok()) return CriFailure{kind_of(status), asking + described(status, timeout)};
    const Status decoded = decode(answer, listing);
    return decoded ? Failure() : CriFailure{CriFailure::Kind::no_answer, asking + decoded.error().text};
  };
  const auto done = [&](Failure failure) -> Listing {
    if (failure) return tl::make_unexpected(*std::move(failure));
    return std::move(listing);
  };
  if (scope == Scope::images)
    return done(ask(RuntimeOperation::list_images, "ImageService/ListImages", {}, decode_images));
  if (scope == Scope::containers_and_stats) {
    if (Failure stats =
            ask(RuntimeOperation::list_container_stats, "RuntimeService/ListContainerStats", {}, decode_stats)) {
      return done(std::move(stats));
    }
    return done(ask(RuntimeOperation::list_containers, "RuntimeService/ListContainers", {}, decode_containers));
  }
  if (Failure pods = ask(RuntimeOperation::list_podsandbox, "RuntimeService/ListPodSandbox", {}, decode_pods)) {
    return done(std::move(pods));
  }
  if (ask(RuntimeOperation::status, "RuntimeService/Status", verbose_request, decode_status)) {
    listing.kata_handlers.clear();
  }
  if (scope == Scope::pods) return done({});
  return done(ask(RuntimeOperation::list_containers, "RuntimeService/ListContainers", {}, decode_containers));
}

RuntimeTiming::Duration RuntimeTiming::wait_after(CriFailure::Kind kind, unsigned failures) const {
  const bool hopeless = kind == CriFailure::Kind::no_cri || kind == CriFailure::Kind::too_large;
  return hopeless ? backoff(hopeless_min, hopeless_max, failures) : backoff(retry_min, retry_max, failures);
}

RuntimeNames::SocketFile RuntimeNames::socket_file(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return {};
  return {found.st_ino, std::int64_t{found.st_ctim.tv_sec} * 1'000'000'000 + found.st_ctim.tv_nsec};
}

RuntimeNames::RuntimeNames(const std::vector<RuntimeEndpoint>& endpoints, std::string run_root,
                           const RuntimeTiming& timing)
    : bundles_(std::move(run_root)), timing_(timing) {
  for (const RuntimeEndpoint& endpoint : endpoints) {
    Runtime& runtime = runtimes_.emplace_back();
    runtime.endpoint = endpoint;
    runtime.client = std::make_unique<CriClient>(endpoint.socket);
  }
}

void RuntimeNames::cancel() {
  for (const Runtime& runtime : runtimes_) runtime.client->cancel();
}

LookupResult RuntimeNames::look_up(const LookupRequest& request) {
  LookupResult answer;
  ask_runtimes(request, answer);
  ask_bundles(request, answer);
  return answer;
}

void RuntimeNames::ask_runtimes(const LookupRequest& request, LookupResult& answer) {
  std::vector<RunningPod> running;
  bool there = false;
  bool answered = false;
  std::optional<CriFailure> failure;  // of one that may know what is missing
  for (Runtime& runtime : runtimes_) {
    const SocketFile file = socket_file(runtime.endpoint.socket);
    if (std::exchange(runtime.socket_file, file) != file) runtime.not_before = {};
    if (!runtime.endpoint.configured && file.inode == 0) continue;
    there = true;
    if (const auto listing = list(runtime, request)) {
      answered = true;
      answer.sandboxes.merge(names_in(*listing, request));
      std::ranges::move(running_in(*listing), std::back_inserter(running));
    } else if (runtime.failure && runtime.failure->kind != CriFailure::Kind::no_cri) {
      failure = runtime.failure;
    }
  }
  if (runtimes_.empty()) return;
  if (!there) {
    answer.error = Error{0, "there is no container runtime at its usual places; see --runtime-endpoint"};
    log(absence_logged_ ? LogLevel::debug : LogLevel::warning, "names of pods and containers may be missing",
        {{"error", answer.error->text}});
  }
  absence_logged_ = !there;
  if (failure && !answered) answer.error = Error{0, failure->text};
  if (answered && !failure) answer.running = std::move(running);
}

std::optional<CriListing> RuntimeNames::list(Runtime& runtime, const LookupRequest& request) {
  using Scope = CriClient::Scope;
  if (runtime.failure && Clock::now() < runtime.not_before) return std::nullopt;
  auto listing = runtime.client->list(timing_.deadline, request.empty() ? Scope::pods : Scope::pods_and_containers);
  if (!listing) {
    note_failure(runtime, std::move(listing.error()));
    return std::nullopt;
  }
  if (runtime.failure) log_info("the container runtime answers again", {{"socket", runtime.endpoint.socket}});
  runtime.failure.reset();
  if (!request.empty()) add_images(runtime, *listing, request);
  return *std::move(listing);
}

// To list images takes some runtimes long, and most pods' images need no look at them. One that does not list them costs
// their names only.
void RuntimeNames::add_images(Runtime& runtime, CriListing& listing, const LookupRequest& request) const {
  if (runtime.images) listing.images = *runtime.images;
  if (runtime.images && !needs_images(listing, request)) return;
  if (auto images = runtime.client->list(timing_.deadline, CriClient::Scope::images)) {
    runtime.images = std::move(images->images);
    listing.images = *runtime.images;
  }
}

void RuntimeNames::note_failure(Runtime& runtime, CriFailure failure) const {
  using Kind = CriFailure::Kind;
  if (failure.kind != Kind::cancelled && (!runtime.failure || runtime.failure->kind != failure.kind)) {
    // At a usual place there may be a containerd that is not Kubernetes'.
    const bool expected = failure.kind == Kind::no_cri && !runtime.endpoint.configured;
    log(expected ? LogLevel::info : LogLevel::warning, "names of pods and containers may be missing",
        {{"error", failure.text}});
    runtime.failures = 0;
  }
  ++runtime.failures;
  runtime.not_before = Clock::now() + timing_.wait_after(failure.kind, runtime.failures);
  runtime.failure = std::move(failure);
}

void RuntimeNames::ask_bundles(const LookupRequest& request, LookupResult& answer) const {
  for (const auto& [id, containers] : request) {
    const auto found = answer.sandboxes.find(id);
    if (found == answer.sandboxes.end()) {
      if (auto names = bundles_.names(id, containers)) answer.sandboxes.emplace(id, *std::move(names));
    } else if (found->second.image.empty()) {
      // CRI does not list the pause image; newer runtimes write it here.
      if (const auto names = bundles_.names(id, {})) found->second.image = names->image;
    }
  }
}

}  // namespace katameter::host
