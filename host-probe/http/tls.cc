#include "host-probe/http/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gnutls/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "userspace/fd.h"
#include "userspace/log.h"

namespace katameter::host::http {
namespace {

Result<std::string> read_pem(const Pem& pem, const char* what) {
  if (!pem.text.empty()) return pem.text;
  Result<std::string> text = read_file(pem.file);
  if (!text) return failure(std::string(what) + "_file " + text.error().text);
  return text;
}

gnutls_datum_t datum(std::string& text) {
  return {reinterpret_cast<unsigned char*>(text.data()), static_cast<unsigned>(text.size())};
}

std::string place(const Pem& pem, const char* what) {
  return pem.file.empty() ? std::string(what) : std::string(what) + "_file " + pem.file;
}

// A Subject Alternative Name as it is written in the configuration.
std::string san_text(unsigned type, const char* bytes, std::size_t size) {
  if (type != GNUTLS_SAN_IPADDRESS) return {bytes, size};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = size == 4 ? AF_INET : AF_INET6;
  if (size != 4 && size != 16) return {};
  return inet_ntop(family, bytes, text.data(), text.size()) == nullptr ? std::string() : std::string(text.data());
}

std::vector<std::string> sans_of(gnutls_session_t session) {
  std::vector<std::string> sans;
  unsigned count = 0;
  const gnutls_datum_t* certificates = gnutls_certificate_get_peers(session, &count);
  if (certificates == nullptr || count == 0) return sans;
  gnutls_x509_crt_t certificate = nullptr;
  if (gnutls_x509_crt_init(&certificate) != GNUTLS_E_SUCCESS) return sans;
  if (gnutls_x509_crt_import(certificate, certificates, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS) {
    for (unsigned i = 0;; ++i) {
      std::array<char, 1024> name{};
      std::size_t size = name.size();
      unsigned type = 0;
      const int got = gnutls_x509_crt_get_subject_alt_name2(certificate, i, name.data(), &size, &type, nullptr);
      if (got == GNUTLS_E_SHORT_MEMORY_BUFFER) continue;  // longer than any that is allowed
      if (got < 0) break;
      if (type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_RFC822NAME || type == GNUTLS_SAN_URI ||
          type == GNUTLS_SAN_IPADDRESS) {
        sans.push_back(san_text(type, name.data(), size));
      }
    }
  }
  gnutls_x509_crt_deinit(certificate);
  return sans;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::create(const TlsConfig& config) {
  const auto wrong = [](const std::string& where, int error) {
    return failure("tls_server_config: " + where + ": " + gnutls_strerror(error));
  };
  auto cert = read_pem(config.cert, "cert");
  if (!cert) return failure("tls_server_config: " + cert.error().text);
  auto key = read_pem(config.key, "key");
  if (!key) return failure("tls_server_config: " + key.error().text);

  std::shared_ptr<TlsContext> context(new TlsContext(config));
  gnutls_certificate_credentials_t credentials = nullptr;
  if (const int error = gnutls_certificate_allocate_credentials(&credentials); error < 0) {
    return wrong("no memory", error);
  }
  context->credentials_.reset(credentials);
  const gnutls_datum_t cert_pem = datum(*cert);
  const gnutls_datum_t key_pem = datum(*key);
  const int set = gnutls_certificate_set_x509_key_mem(credentials, &cert_pem, &key_pem, GNUTLS_X509_FMT_PEM);
  if (set < 0) return wrong(place(config.cert, "cert") + ", " + place(config.key, "key"), set);
  if (!config.client_ca.empty()) {
    auto ca = read_pem(config.client_ca, "client_ca");
    if (!ca) return failure("tls_server_config: " + ca.error().text);
    const gnutls_datum_t ca_pem = datum(*ca);
    const int trusted = gnutls_certificate_set_x509_trust_mem(credentials, &ca_pem, GNUTLS_X509_FMT_PEM);
    if (trusted < 0) return wrong(place(config.client_ca, "client_ca"), trusted);
    if (trusted == 0) {
      return failure("tls_server_config: " + place(config.client_ca, "client_ca") + " has no certificate in it");
    }
  }
  gnutls_certificate_set_verify_function(credentials, &TlsContext::verify_peer);

  gnutls_priority_t priorities = nullptr;
  const char* where = nullptr;
  if (const int error = gnutls_priority_init(&priorities, config.priorities.c_str(), &where); error < 0) {
    return wrong(
        "versions, cipher_suites or curve_preferences, at '" + std::string(where == nullptr ? "" : where) + "'", error);
  }
  context->priorities_.reset(priorities);
  return context;
}

bool TlsContext::attach(gnutls_session_t session) const {
  if (gnutls_priority_set(session, priorities_.get()) < 0 ||
      gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials_.get()) < 0) {
    return false;
  }
  // For verify_peer(), which GnuTLS calls with the session alone.
  gnutls_session_set_ptr(session, const_cast<TlsContext*>(this));
  // Not GNUTLS_CERT_REQUIRE, with which GnuTLS ends the handshake before verify_peer() and sends no alert.
  gnutls_certificate_server_set_request(session,
                                        client_auth_ == ClientAuth::none ? GNUTLS_CERT_IGNORE : GNUTLS_CERT_REQUEST);
  return true;
}

int TlsContext::verify_peer(gnutls_session_t session) {
  const auto* context = static_cast<const TlsContext*>(gnutls_session_get_ptr(session));
  const auto alert = context->refusal(session);
  if (!alert) return 0;
  // libmicrohttpd closes the connection without an alert, and a browser would show an empty answer.
  static_cast<void>(gnutls_alert_send(session, GNUTLS_AL_FATAL, *alert));
  // If bytes are unread at the close, the kernel sends a reset, and the client may fail before it reads the alert.
  static_cast<void>(recv(gnutls_transport_get_int(session), nullptr, 1 << 16, MSG_TRUNC | MSG_DONTWAIT));
  return GNUTLS_E_CERTIFICATE_ERROR;
}

std::optional<gnutls_alert_description_t> TlsContext::refusal(gnutls_session_t session) const {
  unsigned count = 0;
  if (gnutls_certificate_get_peers(session, &count) == nullptr || count == 0) {
    if (client_auth_ != ClientAuth::require_any && client_auth_ != ClientAuth::require_and_verify) return std::nullopt;
    log_debug("a client without a certificate is refused");
    // RFC 8446 and RFC 5246.
    return gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 ? GNUTLS_A_CERTIFICATE_REQUIRED
                                                                 : GNUTLS_A_HANDSHAKE_FAILURE;
  }
  if (client_auth_ == ClientAuth::verify_if_given || client_auth_ == ClientAuth::require_and_verify) {
    std::string purpose = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st data{};
    data.type = GNUTLS_DT_KEY_PURPOSE_OID;
    data.data = reinterpret_cast<unsigned char*>(purpose.data());
    unsigned status = 0;
    if (gnutls_certificate_verify_peers(session, &data, 1, &status) < 0 || status != 0) {
      log_debug("a client's certificate is refused", {{"gnutls_status", status}});
      return GNUTLS_A_BAD_CERTIFICATE;
    }
  }
  if (allowed_sans_.empty()) return std::nullopt;
  const std::vector<std::string> sans = sans_of(session);
  const bool allowed = std::ranges::any_of(
      sans, [&](const std::string& san) { return std::ranges::find(allowed_sans_, san) != allowed_sans_.end(); });
  if (allowed) return std::nullopt;
  log_debug("a client's certificate is refused: none of its names is in client_allowed_sans");
  return GNUTLS_A_BAD_CERTIFICATE;
}

namespace {

std::string stamp_of(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return "missing";
  return fmt::format("{}:{} {} {}.{}", file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                     file.st_mtim.tv_nsec);
}

}  // namespace

void FileStamps::add(std::string path) {
  std::string stamp = stamp_of(path);
  stamps_.insert_or_assign(std::move(path), std::move(stamp));
}

bool FileStamps::changed() {
  bool any = false;
  for (auto& [path, stamp] : stamps_) {
    std::string now = stamp_of(path);
    any = any || now != stamp;
    stamp = std::move(now);
  }
  return any;
}

Result<LoadedConfig> load_web_config(const std::string& path) {
  LoadedConfig loaded;
  if (!path.empty()) loaded.files.add(path);
  Result<WebConfig> config = read_web_config(path);
  if (!config) return failure_from(std::move(config.error()));
  loaded.config = *std::move(config);
  for (std::string& file : loaded.config.files()) loaded.files.add(std::move(file));
  if (!loaded.config.tls) return loaded;
  auto tls = TlsContext::create(*loaded.config.tls);
  if (!tls) return failure("--web.config.file " + path + ": " + tls.error().text);
  loaded.tls = *std::move(tls);
  return loaded;
}

}  // namespace katameter::host::http
