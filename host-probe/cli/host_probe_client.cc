#include "host-probe/cli/host_probe_client.h"

#include <fstream>
#include <string_view>

namespace katameter::host {
namespace {

Result<std::string> base_url(const HttpTarget& target) {
  const bool tls_option =
      !target.ca_file.empty() || !target.cert_file.empty() || !target.key_file.empty() || target.insecure;
  std::string address = target.address;
  while (address.ends_with('/')) address.pop_back();
  const bool plain = address.starts_with("http://");
  if (plain && tls_option) {
    return failure("--address " + target.address + " is without TLS, and there are TLS options: write https://");
  }
  if (plain || address.starts_with("https://")) return address;
  const std::size_t colon = address.rfind(':');
  const std::string_view port = std::string_view(address).substr(colon + 1);
  if (address.find('/') != std::string::npos || colon == std::string::npos || colon == 0 || port.empty() ||
      port.find_first_not_of("0123456789") != std::string_view::npos) {
    return failure("--address '" + target.address + "' is neither HOST:PORT nor a URL, as in https://node:9717/prefix");
  }
  return (tls_option ? "https://" : "http://") + address;
}

Result<std::string> password_of(const HttpTarget& target) {
  if (target.password_file.empty()) {
    if (target.password.empty()) {
      return failure("--user needs a password: give --password-file, or set KATAMETER_PASSWORD");
    }
    return target.password;
  }
  std::ifstream file(target.password_file);
  std::string line;
  if (!std::getline(file, line) || line.empty()) {
    return failure("--password-file " + target.password_file + " has no first line that could be read");
  }
  return line;
}

std::string explain(long status) {
  switch (status) {
    case 401: return "asks for a login: give --user and --password-file, or set KATAMETER_USER and KATAMETER_PASSWORD";
    case 404: return "does not know the path: it is not host-probe, or one from before " KATAMETER_VERSION;
    case 503: return "could not collect in time (503)";
    default: return "answers with status " + std::to_string(status);
  }
}

std::string advice(HttpFailure::Kind kind) {
  using Kind = HttpFailure::Kind;
  switch (kind) {
    case Kind::unreachable: return "; say where host-probe serves with --address";
    case Kind::untrusted: return "; name the authority of its certificate with --ca-file";
    case Kind::credentials: return "; see --cert-file and --key-file";
    case Kind::too_large:
    case Kind::other: break;
  }
  return "";
}

}  // namespace

Result<HostProbeClient> HostProbeClient::create(const HttpTarget& target) {
  Result<std::string> base = base_url(target);
  if (!base) return failure_from(std::move(base.error()));
  HttpSettings settings;
  settings.ca_file = target.ca_file;
  settings.cert_file = target.cert_file;
  settings.key_file = target.key_file;
  settings.insecure = target.insecure;
  if (target.user.empty()) {
    if (!target.password_file.empty()) return failure("--password-file is of no use without --user");
  } else {
    Result<std::string> password = password_of(target);
    if (!password) return failure_from(std::move(password.error()));
    settings.user = target.user;
    settings.password = *std::move(password);
  }
  Result<HttpClient> http = HttpClient::create(settings);
  if (!http) return failure_from(std::move(http.error()));
  return HostProbeClient(*std::move(base), *std::move(http));
}

Result<std::string> HostProbeClient::get(const std::string& path) {
  const std::string url = base_ + path;
  auto answer = http_.get(url);
  if (!answer) {
    return failure("cannot reach host-probe at " + url + ": " + answer.error().text + advice(answer.error().kind));
  }
  if (answer->status != 200) return failure(url + " " + explain(answer->status));
  return std::move(answer->body);
}

}  // namespace katameter::host
