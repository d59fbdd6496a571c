#include "host-probe/cli/http_client.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <array>
#include <fstream>
#include <string_view>

namespace katameter::host {
namespace {

// libcurl brings some 30 libraries with it. Linked, they would be in the daemon as well, which has no use for them, and
// cost it 1.1 MiB of private memory: so `top` loads it.
struct Curl {
  decltype(&curl_easy_init) init = nullptr;
  decltype(&curl_easy_cleanup) cleanup = nullptr;
  decltype(&curl_easy_setopt) set = nullptr;
  decltype(&curl_easy_perform) perform = nullptr;
  decltype(&curl_easy_getinfo) info = nullptr;
  decltype(&curl_easy_strerror) text = nullptr;
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<Curl> load_curl() {
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return failure("libcurl.so.4 cannot be loaded: install the Debian package 'libcurl4'");
  Curl curl;
  if (!find(library, "curl_easy_init", curl.init) || !find(library, "curl_easy_cleanup", curl.cleanup) ||
      !find(library, "curl_easy_setopt", curl.set) || !find(library, "curl_easy_perform", curl.perform) ||
      !find(library, "curl_easy_getinfo", curl.info) || !find(library, "curl_easy_strerror", curl.text)) {
    return failure("libcurl.so.4 lacks a function: install the Debian package 'libcurl4' again");
  }
  return curl;
}

constexpr std::size_t max_body = std::size_t{256} << 20;

// A short count makes libcurl give up.
std::size_t append(const char* data, std::size_t /*always 1*/, std::size_t size, void* body) {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + size > max_body) return 0;
  text.append(data, size);
  return size;
}

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

std::string advice(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST: return "; say where host-probe serves with --address";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: return "; name the authority of its certificate with --ca-file";
    case CURLE_SSL_CERTPROBLEM: return "; see --cert-file and --key-file";
    case CURLE_WRITE_ERROR: return "; the answer is larger than 256 MiB";
    default: return "";
  }
}

}  // namespace

struct HttpClient::Session {
  Curl curl;
  std::string base;
  CURL* handle = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};

  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (handle != nullptr) curl.cleanup(handle);
  }
  template <typename Value>
  void set(CURLoption option, Value value) {
    curl.set(handle, option, value);
  }
  void set_text(CURLoption option, const std::string& value) {
    if (!value.empty()) set(option, value.c_str());
  }
};

HttpClient::HttpClient(std::unique_ptr<Session> session) : session_(std::move(session)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpClient> HttpClient::create(const HttpTarget& target) {
  auto session = std::make_unique<Session>();
  Result<std::string> base = base_url(target);
  if (!base) return failure_from(std::move(base.error()));
  session->base = *std::move(base);
  Result<Curl> curl = load_curl();
  if (!curl) return failure_from(curl.error());
  session->curl = *curl;
  session->handle = session->curl.init();
  if (session->handle == nullptr) return failure("libcurl cannot start: no memory");
  session->set(CURLOPT_ERRORBUFFER, session->error.data());
  session->set(CURLOPT_NOSIGNAL, 1L);
  session->set(CURLOPT_PROXY, "");
  session->set(CURLOPT_PROTOCOLS_STR, "http,https");
  session->set(CURLOPT_CONNECTTIMEOUT_MS, 5000L);
  session->set(CURLOPT_TIMEOUT_MS, 10000L);
  session->set(CURLOPT_WRITEFUNCTION, &append);
  session->set(CURLOPT_ACCEPT_ENCODING, "");  // whatever libcurl can undo
  if (target.insecure) {
    session->set(CURLOPT_SSL_VERIFYPEER, 0L);
    session->set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  session->set_text(CURLOPT_CAINFO, target.ca_file);
  session->set_text(CURLOPT_SSLCERT, target.cert_file);
  session->set_text(CURLOPT_SSLKEY, target.key_file);
  if (target.user.empty()) {
    if (!target.password_file.empty()) return failure("--password-file is of no use without --user");
  } else {
    Result<std::string> password = password_of(target);
    if (!password) return failure_from(std::move(password.error()));
    session->set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    session->set_text(CURLOPT_USERNAME, target.user);
    session->set_text(CURLOPT_PASSWORD, *password);
  }
  return HttpClient(std::move(session));
}

Result<std::string> HttpClient::get(const std::string& path) {
  Session& session = *session_;
  const std::string url = session.base + path;
  std::string body;
  session.error[0] = '\0';
  session.set(CURLOPT_URL, url.c_str());
  session.set(CURLOPT_WRITEDATA, &body);
  const CURLcode code = session.curl.perform(session.handle);
  if (code != CURLE_OK) {
    const char* why = session.error[0] != '\0' ? session.error.data() : session.curl.text(code);
    return failure("cannot reach host-probe at " + url + ": " + why + advice(code));
  }
  long status = 0;
  session.curl.info(session.handle, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return failure(url + " " + explain(status));
  return body;
}

}  // namespace katameter::host
