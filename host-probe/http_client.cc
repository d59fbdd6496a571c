#include "host-probe/http_client.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <array>

namespace katameter::host {
namespace {

// libcurl brings some 30 libraries with it. Linked, they would be in every host-probe, few of which have a use for them,
// and cost it 1.1 MiB of private memory: so what needs it loads it.
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

struct Body {
  std::string text;
  std::size_t max = 0;
  bool too_large = false;
};

// A short count makes libcurl give up.
std::size_t append(const char* data, std::size_t /*always 1*/, std::size_t size, void* target) {
  auto& body = *static_cast<Body*>(target);
  body.too_large = size > body.max - body.text.size();
  if (body.too_large) return 0;
  body.text.append(data, size);
  return size;
}

// libcurl calls it at least once a second; not 0 makes it give up.
int is_cancelled(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(cancelled)->load() ? 1 : 0;
}

HttpFailure::Kind kind_of(CURLcode code) {
  using Kind = HttpFailure::Kind;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST: return Kind::unreachable;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: return Kind::untrusted;
    case CURLE_SSL_CERTPROBLEM: return Kind::credentials;
    default: return Kind::other;
  }
}

}  // namespace

struct HttpClient::Session {
  Curl curl;
  std::size_t max_body = 0;
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

Result<HttpClient> HttpClient::create(const HttpSettings& settings) {
  auto session = std::make_unique<Session>();
  Result<Curl> curl = load_curl();
  if (!curl) return failure_from(curl.error());
  session->curl = *curl;
  session->max_body = settings.max_body;
  session->handle = session->curl.init();
  if (session->handle == nullptr) return failure("libcurl cannot start: no memory");
  session->set(CURLOPT_ERRORBUFFER, session->error.data());
  session->set(CURLOPT_NOSIGNAL, 1L);
  session->set(CURLOPT_PROXY, "");
  session->set(CURLOPT_PROTOCOLS_STR, "http,https");
  session->set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.connect_timeout.count()));
  session->set(CURLOPT_TIMEOUT_MS, static_cast<long>(settings.timeout.count()));
  session->set(CURLOPT_WRITEFUNCTION, &append);
  session->set(CURLOPT_XFERINFOFUNCTION, &is_cancelled);
  session->set(CURLOPT_ACCEPT_ENCODING, "");  // whatever libcurl can undo
  if (settings.insecure) {
    session->set(CURLOPT_SSL_VERIFYPEER, 0L);
    session->set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  session->set_text(CURLOPT_CAINFO, settings.ca_file);
  session->set_text(CURLOPT_SSLCERT, settings.cert_file);
  session->set_text(CURLOPT_SSLKEY, settings.key_file);
  if (!settings.user.empty()) {
    session->set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    session->set_text(CURLOPT_USERNAME, settings.user);
    session->set_text(CURLOPT_PASSWORD, settings.password);
  } else if (!settings.bearer_token.empty()) {
    session->set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    session->set_text(CURLOPT_XOAUTH2_BEARER, settings.bearer_token);
  }
  return HttpClient(std::move(session));
}

tl::expected<HttpAnswer, HttpFailure> HttpClient::get(const std::string& url, const std::atomic<bool>* cancelled) {
  Session& session = *session_;
  Body body{{}, session.max_body};
  session.error[0] = '\0';
  session.set(CURLOPT_URL, url.c_str());
  session.set(CURLOPT_WRITEDATA, &body);
  session.set(CURLOPT_NOPROGRESS, cancelled == nullptr ? 1L : 0L);
  session.set(CURLOPT_XFERINFODATA, cancelled);
  const CURLcode code = session.curl.perform(session.handle);
  if (body.too_large) {
    return tl::make_unexpected(HttpFailure{
        HttpFailure::Kind::too_large, "the answer is larger than " + std::to_string(session.max_body >> 20) + " MiB"});
  }
  if (code != CURLE_OK) {
    const char* why = session.error[0] != '\0' ? session.error.data() : session.curl.text(code);
    return tl::make_unexpected(HttpFailure{kind_of(code), why});
  }
  HttpAnswer answer;
  session.curl.info(session.handle, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.body = std::move(body.text);
  return answer;
}

}  // namespace katameter::host
