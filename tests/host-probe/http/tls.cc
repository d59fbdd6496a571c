#include "host-probe/http/tls.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <memory>

#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter::host::http;
using namespace katameter::host::testing;
using namespace katameter::testing;

namespace {

// Runs it in a shell; what it prints, stderr included, and last its exit status.
std::string run(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("{ " + command + "; } 2>&1; echo status $?").c_str(), "r"),
                                                   &pclose);
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[4096];
  while (const std::size_t got = fread(buffer, 1, sizeof buffer, pipe.get())) text.append(buffer, got);
  return text;
}

// Two CAs; a server's certificate and a client's of the first, a client's of the second.
struct Certificates {
  Certificates() {
    authority("ca");
    authority("other-ca");
    issue("server", "ca", "IP:127.0.0.1,DNS:localhost", "serverAuth");
    issue("client", "ca", "DNS:prometheus.example", "clientAuth");
    issue("foreign", "other-ca", "DNS:prometheus.example", "clientAuth");
  }
  void authority(const std::string& name) const { make(name, "-subj /CN=" + name); }
  void issue(const std::string& name, const std::string& ca, const std::string& sans,
             const std::string& purpose) const {
    make(name, "-CA " + file(ca + ".pem") + " -CAkey " + file(ca + ".key") + " -subj /CN=" + name +
                   " -addext subjectAltName=" + sans + " -addext extendedKeyUsage=" + purpose +
                   " -addext basicConstraints=CA:false");
  }
  void make(const std::string& name, const std::string& options) const {
    const std::string said =
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout " +
            file(name + ".key") + " -out " + file(name + ".pem") + " " + options);
    INFO(said);
    REQUIRE_THAT(said, Catch::EndsWith("status 0\n"));
  }
  std::string file(const std::string& name) const { return (folder.path() / name).string(); }
  // The configuration of a server, with these lines more in its section.
  std::string config(const std::string& more = "") const {
    std::ofstream(file("web.yml")) << "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n" << more;
    return file("web.yml");
  }
  std::vector<std::string> arguments(const std::string& config_file) const {
    return {"--run-root",           folder.path(), "--state-file",      "",
            "--web.listen-address", "127.0.0.1:0", "--web.config.file", config_file};
  }
  std::string curl(const std::string& address, const std::string& options = "") const {
    return run("curl -sS -m 10 --cacert " + file("ca.pem") + " " + options + " https://" + address + "/metrics");
  }
  std::string client(const std::string& name) const {
    return "--cert " + file(name + ".pem") + " --key " + file(name + ".key");
  }

  TemporaryDirectory folder;
};

bool serves(const std::string& said) {
  const bool served = said.find("katameter_sandboxes 0") != std::string::npos && said.ends_with("status 0\n");
  if (!served) UNSCOPED_INFO(said);
  return served;
}

}  // namespace

TEST_CASE("with a certificate it serves TLS from 1.2 on, and nothing else") {
  const Certificates certificates;
  Program program(certificates.arguments(certificates.config()));
  const std::string address = program.addresses().at(0);
  CHECK_THAT(program.said(), Catch::Contains("https://" + address + "/metrics"));
  CHECK(serves(certificates.curl(address)));
  CHECK(serves(certificates.curl(address, "--compressed --tlsv1.2 --tls-max 1.2")));
  CHECK_THAT(run("curl -sS -m 10 http://" + address + "/metrics"), !Catch::Contains("katameter"));
  CHECK_THAT(run("curl -sS -m 10 https://" + address + "/metrics"), !Catch::Contains("katameter"));
  const std::string old = run("openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect " + address + " </dev/null");
  CHECK_THAT(old, !Catch::Contains("Cipher is ECDHE"));
}

TEST_CASE("versions, ciphers and curves are those of the configuration") {
  const Certificates certificates;
  Program program(certificates.arguments(
      certificates.config("  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
                          "  curve_preferences: [CurveP256]\n")));
  const std::string address = program.addresses().at(0);
  const std::string said = run("openssl s_client -connect " + address + " </dev/null");
  CHECK_THAT(said, Catch::Contains("TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384") &&
                       Catch::Contains("Server Temp Key: ECDH, prime256v1"));
  CHECK_THAT(run("openssl s_client -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -connect " + address + " </dev/null"),
             !Catch::Contains("Cipher is ECDHE"));
  CHECK_THAT(run("openssl s_client -tls1_3 -connect " + address + " </dev/null"), !Catch::Contains("Cipher is TLS"));
  CHECK_THAT(run("openssl s_client -curves secp384r1 -connect " + address + " </dev/null"),
             !Catch::Contains("Cipher is ECDHE"));
}

TEST_CASE("a client's certificate is asked for as client_auth_type says") {
  const Certificates certificates;
  const std::string ca = "  client_ca_file: ca.pem\n";
  struct Case {
    std::string options;
    bool without;
    bool of_ca;
    bool foreign;
  };
  const auto test = GENERATE_COPY(values<Case>(
      {{"", true, true, true},
       {"  client_auth_type: RequestClientCert\n", true, true, true},
       {"  client_auth_type: RequireAnyClientCert\n", false, true, true},
       {"  client_auth_type: VerifyClientCertIfGiven\n" + ca, true, true, false},
       {"  client_auth_type: RequireAndVerifyClientCert\n" + ca, false, true, false},
       {"  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]\n" + ca, false,
        true, false},
       {"  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [other.example]\n" + ca, false, false,
        false}}));
  INFO(test.options);
  Program program(certificates.arguments(certificates.config(test.options)));
  const std::string address = program.addresses().at(0);
  const auto answers = [&](const std::string& options) {
    return certificates.curl(address, options).find("katameter_sandboxes 0") != std::string::npos;
  };
  CHECK(answers("") == test.without);
  CHECK(answers("--tls-max 1.2") == test.without);
  CHECK(answers(certificates.client("client")) == test.of_ca);
  CHECK(answers(certificates.client("foreign")) == test.foreign);
  // A server's certificate is not one for clients.
  if (test.options.find("Verify") != std::string::npos) CHECK_FALSE(answers(certificates.client("server")));
}

TEST_CASE("a client whose certificate is refused gets an alert that says so") {
  const Certificates certificates;
  Program program(certificates.arguments(
      certificates.config("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n")));
  const std::string address = program.addresses().at(0);
  CHECK_THAT(certificates.curl(address), Catch::Contains("alert certificate required"));
  CHECK_THAT(certificates.curl(address, "--tls-max 1.2"), Catch::Contains("alert handshake failure"));
  for (const std::string version : {"", "--tls-max 1.2 "}) {
    CHECK_THAT(certificates.curl(address, version + certificates.client("foreign")),
               Catch::Contains("alert bad certificate"));
  }
}

TEST_CASE("a certificate that was renewed is served to the next connection, a broken one is not") {
  const Certificates certificates;
  Program program(certificates.arguments(certificates.config()));
  const std::string address = program.addresses().at(0);
  const auto subject = [&] {
    return run("openssl s_client -connect " + address + " </dev/null 2>/dev/null | openssl x509 -noout -subject");
  };
  CHECK_THAT(subject(), Catch::Contains("CN = server"));
  certificates.issue("renewed", "ca", "IP:127.0.0.1", "serverAuth");
  // As Kubernetes and cert-manager replace them: each file at once.
  std::filesystem::rename(certificates.file("renewed.key"), certificates.file("server.key"));
  CHECK_THAT(subject(), Catch::Contains("CN = server"));  // that key is of another certificate
  CHECK(program.says("keeping the previous one"));
  std::filesystem::rename(certificates.file("renewed.pem"), certificates.file("server.pem"));
  CHECK_THAT(subject(), Catch::Contains("CN = renewed"));
  CHECK(serves(certificates.curl(address)));
  // What would turn TLS off takes a restart.
  std::ofstream(certificates.file("web.yml")) << "";
  CHECK(serves(certificates.curl(address)));
  CHECK(program.says("would turn TLS off"));
}

TEST_CASE("TLS that a web configuration gets while it runs is for all connections from then on") {
  const Certificates certificates;
  const std::string config = certificates.file("web.yml");
  std::ofstream(config) << "";
  Program program(certificates.arguments(config));
  const std::string address = program.addresses().at(0);
  CHECK(serves(run("curl -sS -m 10 http://" + address + "/metrics")));
  static_cast<void>(certificates.config());
  CHECK(serves(certificates.curl(address)));
  CHECK_THAT(run("curl -sS -m 10 http://" + address + "/metrics"), !Catch::Contains("katameter"));
}

TEST_CASE("a file that is not a certificate, key or CA is named in the error") {
  const Certificates certificates;
  const std::string garbage = certificates.file("garbage");
  std::ofstream(garbage) << "garbage\n";
  const auto error_of = [&](const std::string& section) {
    std::ofstream(certificates.file("web.yml")) << "tls_server_config:\n" << section;
    const auto loaded = load_web_config(certificates.file("web.yml"));
    return loaded ? "" : loaded.error().text;
  };
  CHECK_THAT(error_of("  cert_file: none.pem\n  key_file: server.key\n"),
             Catch::Contains("none.pem cannot be read: No such file"));
  CHECK_THAT(error_of("  cert_file: .\n  key_file: server.key\n"), Catch::Contains("cannot be read: Is a directory"));
  CHECK_THAT(error_of("  cert_file: server.pem\n  key_file: none.key\n"), Catch::Contains("none.key cannot be read"));
  CHECK_THAT(error_of("  cert_file: garbage\n  key_file: server.key\n"), Catch::Contains(garbage));
  CHECK_THAT(error_of("  cert_file: server.pem\n  key_file: client.key\n"), Catch::Contains("client.key"));
  CHECK_THAT(error_of("  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: garbage\n"
                      "  client_auth_type: RequireAndVerifyClientCert\n"),
             Catch::Contains("client_ca_file " + garbage));
  CHECK(error_of("  cert_file: server.pem\n  key_file: server.key\n").empty());
}
