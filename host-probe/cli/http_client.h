#pragma once

#include <memory>
#include <string>

#include "userspace/result.h"

namespace katameter::host {

/// Where a running host-probe serves, and how to be let in.
struct HttpTarget {
  std::string address = "127.0.0.1:9717";  // HOST:PORT, or http(s)://HOST[:PORT][/PREFIX]
  std::string user;                        // empty: without login
  std::string password;                    // used if there is no password_file
  std::string password_file;               // its first line is the password
  std::string ca_file;                     // PEM; empty: the system's authorities
  std::string cert_file;                   // PEM, of the client; empty: none
  std::string key_file;                    // PEM, of cert_file
  bool insecure = false;                   // the server's certificate is not verified
};

/// An HTTP client for one server, by libcurl. Proxies of the environment are not used, redirections are not followed.
class HttpClient {
 public:
  /// Any TLS option makes an address without http:// or https:// one with TLS. The error says what to change.
  static Result<HttpClient> create(const HttpTarget& target);
  HttpClient(HttpClient&&) noexcept;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(HttpClient&&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  /// The body of `path`, which begins with a slash. Waits at most 5 s to connect and 10 s in all; any status but 200 and
  /// more than 256 MiB are errors.
  Result<std::string> get(const std::string& path);

 private:
  struct Session;
  explicit HttpClient(std::unique_ptr<Session> session);
  std::unique_ptr<Session> session_;
};

}  // namespace katameter::host
