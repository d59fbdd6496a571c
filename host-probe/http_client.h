#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "userspace/result.h"

namespace katameter::host {

/// How a server is asked, and what it may answer. Files are PEM; what is empty is not used.
struct HttpSettings {
  std::string user;
  std::string password;
  std::string bearer_token;
  std::string ca_file;    // of the server's certificate; empty: the system's authorities
  std::string cert_file;  // of the client
  std::string key_file;   // of cert_file
  bool insecure = false;  // the server's certificate is not verified
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds timeout{10'000};  // for the whole of one request
  std::size_t max_body = std::size_t{256} << 20;
};

struct HttpAnswer {
  long status = 0;
  std::string body;
};

/// Why there is no answer.
struct HttpFailure {
  enum class Kind {
    unreachable,  // no connection
    untrusted,    // the server's certificate is not that of an authority of ours, or is another name's
    credentials,  // our certificate or its key cannot be used
    too_large,    // HttpSettings::max_body
    other,        // a timeout, a connection that broke, cancel()
  };
  Kind kind = Kind::other;
  std::string text;
};

/// An HTTP client by libcurl. Proxies of the environment are not used, redirections are not followed.
class HttpClient {
 public:
  /// An error if libcurl is not installed: it is loaded here, and stays.
  static Result<HttpClient> create(const HttpSettings& settings);
  HttpClient(HttpClient&&) noexcept;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(HttpClient&&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  /// What `url` answers, with any status. Waits as long as the settings allow; a second at most once `cancelled` is true,
  /// which may be null. The connection is kept for the next request.
  tl::expected<HttpAnswer, HttpFailure> get(const std::string& url, const std::atomic<bool>* cancelled = nullptr);

 private:
  struct Session;
  explicit HttpClient(std::unique_ptr<Session> session);
  std::unique_ptr<Session> session_;
};

}  // namespace katameter::host
