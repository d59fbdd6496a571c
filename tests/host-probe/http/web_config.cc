#include "host-probe/http/web_config.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <future>

#include "host-probe/http/basic_auth.h"
#include "tests/support/bcrypt.h"
#include "tests/support/temporary_directory.h"

using namespace katameter::host::http;
using namespace katameter::host::testing;
using namespace katameter::testing;

namespace {

std::string write_file(const TemporaryDirectory& folder, const std::string& text) {
  const std::string path = folder.path() / "web.yml";
  std::ofstream(path) << text;
  return path;
}

bool allows(BasicAuth& auth, const std::string& user, const std::string& password) {
  if (auth.remembers(user, password)) return true;
  std::promise<bool> answer;
  auth.check(user, password, [&](bool right) { answer.set_value(right); });
  return answer.get_future().get();
}

}  // namespace

TEST_CASE("users are read from a web configuration file") {
  const TemporaryDirectory folder;
  const std::string hash = bcrypt("secret");
  const auto config = read_web_config(write_file(folder, "basic_auth_users:\n  alice: " + hash + "\n"));
  REQUIRE(config);
  CHECK(config->users == std::map<std::string, std::string>{{"alice", hash}});
  const auto empty = read_web_config(write_file(folder, ""));
  REQUIRE(empty);
  CHECK(empty->users.empty());
}

TEST_CASE("all keys of a web configuration are read") {
  const auto config = parse_web_config(R"(
tls_server_config:
  cert_file: server.pem
  key: KEY
  client_ca_file: /etc/ca.pem
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [client.example, 10.0.0.1]
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: SAMEORIGIN
    X-Content-Type-Options: nosniff
    X-XSS-Protection: ""
rate_limit:
  interval: 1m1.5s
  burst: 3
basic_auth_users:
)");
  INFO((config ? "" : config.error().text));
  REQUIRE(config);
  REQUIRE(config->tls);
  CHECK(config->tls->cert.file == "server.pem");
  CHECK(config->tls->key.text == "KEY");
  CHECK(config->tls->client_auth == ClientAuth::require_and_verify);
  CHECK(config->tls->client_allowed_sans == std::vector<std::string>{"client.example", "10.0.0.1"});
  CHECK(config->tls->priorities ==
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:-CIPHER-ALL:-MAC-ALL:+ECDHE-RSA:+AES-128-GCM:+AEAD:-GROUP-ALL:"
        "+GROUP-X25519:+GROUP-SECP256R1");
  CHECK(config->headers == std::map<std::string, std::string>{{"Content-Security-Policy", "default-src 'none'"},
                                                              {"X-Content-Type-Options", "nosniff"},
                                                              {"X-Frame-Options", "SAMEORIGIN"}});
  REQUIRE(config->rate_limit);
  CHECK(config->rate_limit->interval.count() == 61.5);
  CHECK(config->rate_limit->burst == 3);
  CHECK(config->files() == std::vector<std::string>{"server.pem", "/etc/ca.pem"});
}

TEST_CASE("a web configuration that cannot be had is an error that says what to do") {
  const TemporaryDirectory folder;
  const std::string tls = "tls_server_config:\n  cert_file: a\n  key_file: b\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"http_server_config:\n  http2: true\n", "http_server_config.http2: this server speaks HTTP/1.1 only"},
      {"http_server_config:\n  http2: perhaps\n", "true or false"},
      {"http_server_config:\n  headers:\n    Server: me\n", "'Server' is not known: give one of Content-Security"},
      {"http_server_config:\n  headers:\n    X-Frame-Options: maybe\n", "deny sameorigin"},
      {"http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\r\\nb\"\n", "control character"},
      {"basic_auth_users:\n  alice: secret\n", "not a bcrypt hash"},
      {"basic_auth_users: alice\n", "not a map"},
      {"basic_auth_users: [", "web.yml"},
      {"[1, 2]", "not a map"},
      {"? [1]\n: 2\n", "web.yml"},
      {"tls_config: {}\n", "no key 'tls_config': remove it; the keys are tls_server_config"},
      {"tls_server_config:\n  certificate: a\n", "no key 'certificate'"},
      {"tls_server_config:\n  cert_file: a\n", "key_file is missing"},
      {"tls_server_config:\n  min_version: TLS12\n", "cert_file is missing"},
      {tls + "  cert: c\n", "cert and cert_file are both given"},
      {tls + "  min_version: SSL3\n", "TLS10, TLS11, TLS12, TLS13"},
      {tls + "  min_version: TLS13\n  max_version: TLS12\n", "min_version is above max_version"},
      {tls + "  client_auth_type: Sometimes\n", "NoClientCert, RequestClientCert"},
      {tls + "  client_auth_type: RequireAndVerifyClientCert\n", "client_ca_file"},
      {tls + "  client_ca_file: c\n", "set client_auth_type to RequireAndVerifyClientCert"},
      {tls + "  client_allowed_sans: [a]\n", "client_allowed_sans needs client_auth_type"},
      {tls + "  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n", "'TLS_RSA_WITH_RC4_128_SHA' is not known"},
      {tls + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n",
       "without TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: add it"},
      {tls + "  curve_preferences: [CurveP224]\n", "CurveP256"},
      {"rate_limit:\n  interval: soon\n", "'soon' is not a duration"},
      {"rate_limit:\n  interval: 1s\n  burst: 0\n", "give 1 or more"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    const auto config = read_web_config(write_file(folder, text));
    REQUIRE_FALSE(config);
    CHECK_THAT(config.error().text, Catch::StartsWith("--web.config.file") && Catch::Contains(expected));
  }
  CHECK_THAT(read_web_config(folder.path() / "missing").error().text, Catch::Contains("cannot be read"));
  CHECK_THAT(read_web_config(folder.path()).error().text, Catch::Contains("cannot be read: Is a directory"));
}

TEST_CASE("what is off or empty is as if it were not there") {
  for (const char* text :
       {"tls_server_config: {}\n", "tls_server_config:\n", "rate_limit:\n  interval: 0\n  burst: 9\n",
        "http_server_config:\n  headers:\n", "basic_auth_users: {}\n"}) {
    INFO(text);
    const auto config = parse_web_config(text);
    REQUIRE(config);
    CHECK((!config->tls && config->headers.empty() && config->users.empty() && !config->rate_limit));
  }
}

TEST_CASE("a user logs in with their own password, the second time too") {
  BasicAuth auth;
  auth.replace_users({{"alice", bcrypt("secret")}, {"bob", bcrypt("other")}});
  CHECK(auth.needed());
  for (int round = 0; round < 2; ++round) {
    CHECK(allows(auth, "alice", "secret"));
    CHECK(allows(auth, "bob", "other"));
    CHECK_FALSE(allows(auth, "alice", "other"));
    CHECK_FALSE(allows(auth, "alice", ""));
    CHECK_FALSE(allows(auth, "bob", "secret"));
    CHECK_FALSE(allows(auth, "carol", "secret"));
    CHECK_FALSE(allows(auth, "", ""));
  }
}

TEST_CASE("after the users were replaced only the new ones log in") {
  BasicAuth auth;
  auth.replace_users({{"alice", bcrypt("secret")}, {"bob", bcrypt("other")}});
  CHECK(auth.needed());
  REQUIRE(allows(auth, "alice", "secret"));
  REQUIRE(allows(auth, "bob", "other"));
  auth.replace_users({{"alice", bcrypt("changed")}, {"carol", bcrypt("third")}});
  CHECK_FALSE(allows(auth, "alice", "secret"));
  CHECK_FALSE(allows(auth, "bob", "other"));
  CHECK(allows(auth, "alice", "changed"));
  CHECK(allows(auth, "carol", "third"));
}

TEST_CASE("a password is remembered once it was right, and not after the users were replaced") {
  BasicAuth auth;
  auth.replace_users({{"alice", bcrypt("secret")}});
  CHECK_FALSE(auth.remembers("alice", "secret"));
  CHECK(allows(auth, "alice", "secret"));
  CHECK(auth.remembers("alice", "secret"));
  CHECK_FALSE(auth.remembers("alice", "other"));
  auth.replace_users({{"alice", bcrypt("secret")}});
  CHECK_FALSE(auth.remembers("alice", "secret"));
}

TEST_CASE("checks that wait are bounded, and dropped when it stops") {
  BasicAuth auth;
  auth.replace_users({{"bob", bcrypt("other", 10)}});
  std::atomic<int> answered = 0;
  int asked = 0;
  for (; !auth.is_full() && asked < 1000; ++asked) auth.check("bob", "wrong", [&](bool) { ++answered; });
  CHECK(asked >= static_cast<int>(BasicAuth::max_waiting));
  CHECK(asked < 1000);
  auth.stop();
  CHECK(answered < asked);
}
