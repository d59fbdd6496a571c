#pragma once

#include <string>
#include <utility>

#include "host-probe/http_client.h"
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

/// Asks a host-probe.
class HostProbeClient {
 public:
  /// Any TLS option makes an address without http:// or https:// one with TLS. The error says what to change.
  static Result<HostProbeClient> create(const HttpTarget& target);

  /// The body of `path`, which begins with a slash. Waits at most 5 s to connect and 10 s in all; any status but 200 and
  /// more than 256 MiB are errors.
  Result<std::string> get(const std::string& path);

 private:
  HostProbeClient(std::string base, HttpClient http) : base_(std::move(base)), http_(std::move(http)) {}

  std::string base_;
  HttpClient http_;
};

}  // namespace katameter::host
