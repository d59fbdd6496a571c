#include "host-probe/pods/cluster_names.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/fd.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

constexpr std::string_view tls = "https://";
constexpr std::size_t max_token_bytes = 64 << 10;

// As Kubernetes names nodes: RFC 1123, subdomain.
bool is_node_name(std::string_view name) {
  const auto may_be = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return !name.empty() && name.size() <= 253 && std::ranges::all_of(name, may_be);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_url(std::string_view text) {
  for (const std::string_view scheme : {tls, std::string_view("http://")}) {
    const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
    if (text.starts_with(scheme)) return printable && text.size() > scheme.size() && text[scheme.size()] != '/';
  }
  return false;
}

std::string advice(HttpFailure::Kind kind, const PodListAddress& address) {
  using Kind = HttpFailure::Kind;
  switch (kind) {
    case Kind::untrusted:
      return ": its certificate has to be of the authority in " + address.credentials +
             "/ca.crt; kubelet's is with serverTLSBootstrap only";
    case Kind::unreachable: return ": see --pods-from, and the network policies";
    default: return "";
  }
}

std::string refusal(long status) {
  switch (status) {
    case 401:
      return "the token is not accepted (401): the ServiceAccount was deleted, or the token is of another cluster";
    case 403:
      return "the ServiceAccount may not do that (403): bind it to a ClusterRole that may list pods and "
             "runtimeclasses; for "
             "kubelet, get nodes/pods";
    case 404: return "there is no list of pods at this address (404): see --pods-from";
    default: return "it answers with status " + std::to_string(status);
  }
}

}  // namespace

Result<PodListAddress> parse_pods_from(std::string_view from, const std::string& node, const std::string& credentials) {
  if (from != "api") {
    if (!is_url(from)) {
      return failure("'" + std::string(from) +
                     "' is neither runtime nor api nor the URL of kubelet's list, as in https://10.0.0.1:10250/pods");
    }
    return PodListAddress{std::string(from), {}, credentials};
  }
  if (!is_node_name(node)) {
    return failure(
        "api takes the name of this node, as the API server has it: give --node-name, or set NODE_NAME from "
        "spec.nodeName");
  }
  std::string host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return failure(
        "api takes KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT in the environment, where every pod has "
        "them");
  }
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  const std::string server = std::string(tls) + host + ":" + port;
  if (!is_url(server)) return failure("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not an address");
  // Version 0: from the server's cache, which it has by node; the database behind it is not asked.
  return PodListAddress{server + "/api/v1/pods?fieldSelector=spec.nodeName%3D" + node + "&resourceVersion=0",
                        server + "/apis/node.k8s.io/v1/runtimeclasses?resourceVersion=0", credentials};
}

NameTiming pod_list_name_timing() {
  NameTiming timing;
  timing.min_interval = std::chrono::seconds(5);
  return timing;
}

ClusterNames::ClusterNames(PodListAddress address, const std::string& run_root, const PodListTiming& timing)
    : address_(std::move(address)), bundles_(run_root), state_(run_root), timing_(timing) {}

LookupResult ClusterNames::look_up(const LookupRequest& request) {
  struct Found {
    std::optional<SandboxNames> bundle;
    std::optional<std::string> uid;
  };
  std::map<ContainerId, Found> found;
  bool any = false;
  for (const auto& [id, containers] : request) {
    Found& of = found[id];
    of.bundle = bundles_.names(id, containers);
    // First what only kubelet and Kata write: in CRI-O's bundles annotations of the pod's author stand beside its own.
    of.uid = state_.pod_uid(id);
    if (!of.uid && of.bundle && !of.bundle->uid.empty()) of.uid = of.bundle->uid;
    any |= of.uid.has_value();
  }
  LookupResult answer;
  const std::optional<PodList> pods = any ? list(answer) : std::nullopt;
  for (auto& [id, of] : found) {
    const auto pod = pods && of.uid ? pods->find(*of.uid) : PodList::const_iterator();
    if (pods && of.uid && pod != pods->end()) {
      SandboxNames& names = answer.sandboxes[id] = names_of(pod->second, of.bundle);
      names.uid = *of.uid;
    } else if (of.bundle) {
      answer.sandboxes.emplace(id, *std::move(of.bundle));
    }
  }
  return answer;
}

SandboxNames ClusterNames::names_of(const ListedPod& pod, const std::optional<SandboxNames>& bundle) {
  SandboxNames names;
  names.pod_namespace = pod.pod_namespace;
  names.pod = pod.name;
  names.containers = pod.containers;
  if (bundle) {
    names.runtime_handler = bundle->runtime_handler;
    names.image = bundle->image;
  }
  if (names.runtime_handler.empty()) names.runtime_handler = handler_of(pod.runtime_class);
  return names;
}

std::optional<PodList> ClusterNames::list(LookupResult& answer) {
  if (failure_ && Clock::now() < not_before_) {
    answer.error = Error{0, failure_->text};
    return std::nullopt;
  }
  Answer<std::string> text = get(address_.pods);
  Answer<PodList> pods = tl::make_unexpected(Failure{});
  if (!text) {
    pods = tl::make_unexpected(std::move(text.error()));
  } else if (Result<PodList> parsed = parse_pod_list(*text)) {
    pods = *std::move(parsed);
  } else {
    pods = tl::make_unexpected(Failure{200, true, "what it answers cannot be used: " + parsed.error().text});
  }
  OwnMetrics::of_process().count_runtime_operation(RuntimeOperation::list_pods, pods.has_value());
  if (!pods) {
    note_failure(std::move(pods.error()));
    answer.error = Error{0, failure_->text};
    return std::nullopt;
  }
  if (failure_) log_info("the list of pods is there again", {{"url", address_.pods}});
  failure_.reset();
  return *std::move(pods);
}

// The files are read each time: kubelet writes a new token before the old one expires.
ClusterNames::Answer<std::string> ClusterNames::get(const std::string& url) {
  const auto failed = [](bool hopeless, std::string text, long status = 0) {
    return tl::make_unexpected(Failure{status, hopeless, std::move(text)});
  };
  HttpSettings settings;
  settings.timeout = timing_.timeout;
  settings.connect_timeout = timing_.timeout / 2;
  settings.max_body = max_answer_bytes;
  if (url.starts_with(tls)) {
    Result<std::string> token = read_file(address_.credentials + "/token", max_token_bytes);
    if (!token) {
      return failed(true, token.error().text +
                              ": the pod has to have the token of its ServiceAccount "
                              "(automountServiceAccountToken), or --service-account another directory");
    }
    while (token->ends_with('\n')) token->pop_back();
    settings.bearer_token = *std::move(token);
    settings.ca_file = address_.credentials + "/ca.crt";
  }
  Result<HttpClient> client = HttpClient::create(settings);
  if (!client) return failed(true, client.error().text);
  auto answer = client->get(url, &cancelled_);
  if (!answer) {
    using Kind = HttpFailure::Kind;
    const Kind kind = answer.error().kind;
    return failed(kind == Kind::untrusted || kind == Kind::too_large,
                  url + ": " + answer.error().text + advice(kind, address_));
  }
  const long status = answer->status;
  const bool hopeless = status >= 300 && status < 500 && status != 408 && status != 429;
  if (status != 200) return failed(hopeless, url + ": " + refusal(status), status);
  return std::move(answer->body);
}

void ClusterNames::note_failure(Failure failure) {
  const bool known = failure_ && failure_->status == failure.status && failure_->hopeless == failure.hopeless;
  if (!known) failures_ = 0;
  if (!cancelled_) {
    log(known ? LogLevel::debug : LogLevel::warning, "names of pods and containers may be missing",
        {{"error", failure.text}});
  }
  ++failures_;
  not_before_ = Clock::now() + (failure.hopeless ? backoff(timing_.hopeless_min, timing_.hopeless_max, failures_)
                                                 : backoff(timing_.retry_min, timing_.retry_max, failures_));
  failure_ = std::move(failure);
}

// The handler of a RuntimeClass cannot be changed, so those that are known are not asked for again.
std::string ClusterNames::handler_of(const std::string& runtime_class) {
  if (runtime_class.empty() || address_.runtime_classes.empty()) return {};
  const auto known = handlers_.find(runtime_class);
  if (known != handlers_.end()) return known->second;
  const auto now = Clock::now();
  if (classes_asked_at_ && now - *classes_asked_at_ < timing_.classes_interval) return {};
  classes_asked_at_ = now;
  std::string error;
  if (const Answer<std::string> text = get(address_.runtime_classes); !text) {
    error = text.error().text;
  } else if (Result<Handlers> parsed = parse_runtime_classes(*text)) {
    handlers_ = *std::move(parsed);
  } else {
    error = parsed.error().text;
  }
  OwnMetrics::of_process().count_runtime_operation(RuntimeOperation::list_runtime_classes, error.empty());
  if (!error.empty() && !cancelled_) {
    log(std::exchange(classes_failure_logged_, true) ? LogLevel::debug : LogLevel::warning,
        "sandboxes may have no runtime handler", {{"error", error}});
  }
  const auto found = handlers_.find(runtime_class);
  return found != handlers_.end() ? found->second : std::string();
}

}  // namespace katameter::host
