#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/result.h"

namespace katameter::host::http {

/// What is asked of a client's certificate; Go's names for it are those of the file.
enum class ClientAuth {
  none,                ///< NoClientCert
  request,             ///< RequestClientCert: any, or none
  require_any,         ///< RequireAnyClientCert: any
  verify_if_given,     ///< VerifyClientCertIfGiven: one of client_ca, or none
  require_and_verify,  ///< RequireAndVerifyClientCert: one of client_ca
};

/// A PEM text, or the file that has it.
struct Pem {
  std::string text;
  std::string file;
  bool empty() const { return text.empty() && file.empty(); }
};

/// `tls_server_config`.
struct TlsConfig {
  Pem cert;       ///< the server's, with the chain to its CA
  Pem key;        ///< of the certificate
  Pem client_ca;  ///< whose certificates clients may have
  ClientAuth client_auth = ClientAuth::none;
  std::vector<std::string> client_allowed_sans;  ///< one of them must be in the client's certificate; empty: any
  std::string priorities;                        ///< versions, ciphers and curves, as GnuTLS writes them
};

/// `rate_limit`: a token bucket for all clients together.
struct RateLimit {
  std::chrono::duration<double> interval;  ///< a request more is allowed after each
  int burst = 1;                           ///< requests at once
};

/// What a --web.config.file asks for: the format that the Prometheus exporters have in common.
struct WebConfig {
  std::optional<TlsConfig> tls;                ///< none: plain HTTP
  std::map<std::string, std::string> headers;  ///< of each answer
  std::map<std::string, std::string> users;    ///< name -> bcrypt hash of the password; empty = everybody may read
  std::optional<RateLimit> rate_limit;

  /// All files that it names.
  std::vector<std::string> files() const;
};

/// The text of such a file. The error says what is wrong with it and what to do.
Result<WebConfig> parse_web_config(const std::string& text);

/// Reads it; without a path, everybody may read, by plain HTTP. File names in it are taken from its own directory on.
/// A key that this server does not know or cannot do is an error.
Result<WebConfig> read_web_config(const std::string& path);

}  // namespace katameter::host::http
