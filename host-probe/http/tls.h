#pragma once

#include <gnutls/gnutls.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "host-probe/http/web_config.h"
#include "userspace/result.h"

namespace katameter::host::http {

/// Certificate, key and rules of TLS connections, as a WebConfig has them. Never changes: after a reload, new
/// connections get another one.
class TlsContext {
 public:
  /// Reads the files. The error says which one is wrong.
  static Result<std::shared_ptr<TlsContext>> create(const TlsConfig& config);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext() = default;

  /// Makes a new session, before its handshake, one of this context, which must outlive it. False: GnuTLS refuses.
  bool attach(gnutls_session_t session) const;

 private:
  struct Free {
    void operator()(gnutls_certificate_credentials_t credentials) const {
      gnutls_certificate_free_credentials(credentials);
    }
    void operator()(gnutls_priority_t priorities) const { gnutls_priority_deinit(priorities); }
  };
  template <typename Handle>
  using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Free>;

  explicit TlsContext(const TlsConfig& config)
      : client_auth_(config.client_auth), allowed_sans_(config.client_allowed_sans) {}
  static int verify_peer(gnutls_session_t session);
  /// The alert for a client that is not allowed in; nothing for one that is.
  std::optional<gnutls_alert_description_t> refusal(gnutls_session_t session) const;

  ClientAuth client_auth_;
  std::vector<std::string> allowed_sans_;
  Owner<gnutls_certificate_credentials_t> credentials_;
  Owner<gnutls_priority_t> priorities_;
};

/// Files as they were, to see whether they change.
class FileStamps {
 public:
  /// From here on this file, too.
  void add(std::string path);

  /// Whether one of them is another than at the last call, or than when it was added.
  bool changed();

 private:
  std::map<std::string, std::string> stamps_;  // by path
};

/// What a web configuration file and those that it names had in them when they were read.
struct LoadedConfig {
  WebConfig config;
  std::shared_ptr<const TlsContext> tls;  ///< null: plain HTTP
  FileStamps files;                       ///< of all of them, from before they were read
};

/// Reads a web configuration with its certificates; without a path, that of a server open to everybody.
Result<LoadedConfig> load_web_config(const std::string& path);

}  // namespace katameter::host::http
